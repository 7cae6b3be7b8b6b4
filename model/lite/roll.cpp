#include "model/lite/roll.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "dsp/pool.h"

namespace fastsag::model {
namespace {

constexpr std::array<double, kAgeHats> kAgeKnots = {-.022, -.008, .006, .02, .045, .09, .18, .36, .72, 1.5, 3.0};
constexpr std::array<double, kReleaseHats + 1> kReleaseKnots = {0, .03, .08, .2, .5};  // nothing from the last one on
constexpr double kHalfFrame = .0107;  // an analysis window hears a release from this long before it

// Piecewise-linear interpolation between knots: at most two hats are non-zero, and they add up to `weight`.
void add_hats(std::span<const double> knots, double x, double weight, std::span<float> hats) {
  const size_t above = static_cast<size_t>(std::ranges::upper_bound(knots, x) - knots.begin());
  if (above == 0) return;
  const size_t below = above - 1;
  const double part = above < knots.size() ? (x - knots[below]) / (knots[above] - knots[below]) : 0;
  if (below < hats.size()) hats[below] += static_cast<float>(weight * (1 - part));
  if (above < hats.size()) hats[above] += static_cast<float>(weight * part);
}

struct Strike {
  int key;
  double onset, release, next;  // seconds; next: the key is struck again
  double power;
};

dsp::Pooled<Strike> strikes(std::span<const Note> notes) {
  dsp::Pooled<Strike> out;
  out.reserve(notes.size());
  for (const Note& note : notes) {
    const int key = note.pitch - kFirstKey;
    if (key < 0 || key >= kKeys) continue;
    const double onset = static_cast<double>(note.onset) / kSampleRate;
    const double release = static_cast<double>(note.release) / kSampleRate;
    out.push_back({key, onset, std::max(onset, release), std::numeric_limits<double>::infinity(),
                   std::pow(note.velocity / 80.0, 3.4)});
  }
  std::ranges::sort(out, [](const Strike& a, const Strike& b) {
    return std::tuple(a.key, a.onset, a.power) < std::tuple(b.key, b.onset, b.power);
  });
  for (size_t i = 1; i < out.size(); ++i)
    if (out[i].key == out[i - 1].key) out[i - 1].next = out[i].onset;
  return out;
}

}  // namespace

std::span<const double> age_knots() { return kAgeKnots; }

torch::Tensor note_roll(std::span<const Note> notes, int64_t first_frame, int64_t frames) {
  torch::Tensor roll = torch::zeros({frames, kRollWidth});
  add_to_roll(notes, first_frame, {roll.data_ptr<float>(), static_cast<size_t>(roll.numel())});
  return roll;
}

void add_to_roll(std::span<const Note> notes, int64_t first_frame, std::span<float> roll) {
  float* const data = roll.data();
  const int64_t frames = std::ssize(roll) / kRollWidth;
  const auto seconds = [&](int64_t frame) {
    return (static_cast<double>(first_frame + frame) * kFrameHop + kFrameHop / 2.0) / kSampleRate;
  };
  const auto frame_at = [&](double time) {  // the first frame centred on or after it
    const double frame =
        std::ceil((time * kSampleRate - kFrameHop / 2.0) / kFrameHop) - static_cast<double>(first_frame);
    return static_cast<int64_t>(std::clamp(frame, 0.0, static_cast<double>(frames)));
  };
  for (const Strike& strike : strikes(notes)) {
    const double release_gain = std::min(1.0, .5 / (strike.release - strike.onset + .15));  // it has died away by then
    const int64_t end = frame_at(std::min(strike.release + kReleaseKnots.back(), strike.next));
    for (int64_t frame = frame_at(strike.onset + kAgeKnots.front()); frame < end; ++frame) {
      const double time = seconds(frame), since = time - strike.release;
      const double held = std::clamp(.5 - since / (2 * kHalfFrame), 0.0, 1.0);
      float* const key = data + frame * kRollWidth + strike.key * kKeyFeatures;
      if (held > 0) add_hats(kAgeKnots, time - strike.onset, held * strike.power, {key, kAgeHats});
      if (held < 1)
        add_hats(kReleaseKnots, std::max(since, 0.0), (1 - held) * release_gain * strike.power,
                 {key + kAgeHats, kReleaseHats});
    }
  }
}

}  // namespace fastsag::model
