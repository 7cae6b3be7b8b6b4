#include "dsp/limiter.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace fastsag::dsp {

// Why the ceiling holds: the gain given to sample n is the mean of the envelope over n .. n + latency; each of these
// values is no higher than the lowest gain needed within the latency before it, and that includes what sample n needs.

Limiter::Limiter(int sample_rate)
    : latency_(std::llround(kLookAheadSeconds * sample_rate)),
      release_(static_cast<float>(1 - std::exp(-1 / (kReleaseSeconds * sample_rate)))),
      delay_(static_cast<size_t>(latency_ + 1), 0.0f),
      envelope_(delay_.size(), 1.0f),
      needs_(delay_.size()),
      envelope_sum_(static_cast<double>(delay_.size())) {}

void Limiter::process(std::span<float> samples) {
  for (float& sample : samples) {
    const float in = std::isfinite(sample) ? sample : 0.0f;
    const float lowest = lowest_need(std::min(1.0f, kCeiling / std::max(std::abs(in), kCeiling)));
    followed_ = std::min(lowest, followed_ + release_ * (1 - followed_));
    envelope_sum_ += static_cast<double>(followed_) - static_cast<double>(envelope_[at_]);
    envelope_[at_] = followed_;
    delay_[at_] = in;
    if (++at_ == delay_.size()) {
      at_ = 0;
      envelope_sum_ = std::accumulate(envelope_.begin(), envelope_.end(), 0.0);  // rounding must not add up for weeks
    }
    gain_ = static_cast<float>(envelope_sum_ / static_cast<double>(envelope_.size()));
    sample = std::clamp(delay_[at_] * gain_, -kCeiling, kCeiling);  // for the last bit of rounding only
  }
}

// The lowest of the last latency_ + 1 gains.
float Limiter::lowest_need(float gain) {
  const auto slot = [&](size_t i) { return (first_need_ + i) % needs_.size(); };
  if (need_count_ > 0 && needs_[first_need_].time < time_ - latency_) {
    first_need_ = slot(1);
    --need_count_;
  }
  while (need_count_ > 0 && needs_[slot(need_count_ - 1)].gain >= gain) --need_count_;
  needs_[slot(need_count_++)] = {time_++, gain};
  return needs_[first_need_].gain;
}

}  // namespace fastsag::dsp
