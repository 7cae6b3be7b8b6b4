#include "daemon/join_meter.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "dsp/mel.h"
#include "dsp/timeline.h"

namespace fastsag::daemon {
namespace {

constexpr int64_t kChunkFrames = 256;
constexpr int64_t kEdgeFrames = 2;    // beside the cut, where mel() reflects
constexpr float kSilence = -9.5f;     // mean log-mel; its floor is -11.5
constexpr int64_t kCrossfadeFrames =  // frames that hear the crossfade
    static_cast<int64_t>((dsp::Timeline::kCrossfadeSeconds * dsp::kMelSampleRate + dsp::kMelFft) / dsp::kMelHop);

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

JoinMeter::JoinMeter(int sample_rate) : sample_rate_(sample_rate), resampler_(sample_rate, dsp::kMelSampleRate) {}

void JoinMeter::add(std::span<const float> accompaniment) {
  resampler_.process(accompaniment, wave_);
  while (std::ssize(wave_) >= kChunkFrames * dsp::kMelHop) take_frames();
}

void JoinMeter::take_frames() {
  const int64_t frames = std::min<int64_t>(kChunkFrames, std::ssize(wave_) / dsp::kMelHop);
  const auto mel = dsp::mel(std::span(wave_).first(static_cast<size_t>(frames * dsp::kMelHop)));
  const auto at = [&](int band, int64_t frame) { return mel[static_cast<size_t>(band * frames + frame)]; };
  jumps_.resize(static_cast<size_t>(first_ + frames - kEdgeFrames), -1);
  for (int64_t k = kEdgeFrames + 1; k < frames - kEdgeFrames; ++k) {
    float jump = 0, level = 0;
    for (int band = 0; band < dsp::kMelBands; ++band) {
      jump += std::abs(at(band, k) - at(band, k - 1)) / dsp::kMelBands;
      level += std::max(at(band, k), at(band, k - 1)) / dsp::kMelBands;
    }
    jumps_[static_cast<size_t>(first_ + k)] = level > kSilence ? jump : -1;
  }
  // The next chunk begins with the frames that this one saw from one side only.
  const int64_t done = frames - 2 * kEdgeFrames - 1;
  wave_.erase(wave_.begin(), wave_.begin() + done * dsp::kMelHop);
  first_ += done;
}

JoinFigure JoinMeter::figure() {
  resampler_.flush(wave_);
  if (std::ssize(wave_) > 4 * kEdgeFrames * dsp::kMelHop) take_frames();
  // The same mean over as many frames as a join has, at joins and everywhere else.
  const auto size = std::ssize(jumps_);
  std::vector<bool> is_join(jumps_.size()), near(jumps_.size());
  for (const int64_t position : joins_) {
    const double at_24k = static_cast<double>(position) * dsp::kMelSampleRate / sample_rate_;
    const auto begin = static_cast<int64_t>((at_24k - (dsp::kMelFft + dsp::kMelHop) / 2.0) / dsp::kMelHop) + 1;
    if (begin < 0 || begin >= size) continue;
    is_join[static_cast<size_t>(begin)] = true;
    for (int64_t k = std::max<int64_t>(0, begin - kCrossfadeFrames); k < std::min(size, begin + kCrossfadeFrames); ++k)
      near[static_cast<size_t>(k)] = true;
  }
  std::vector<double> at_joins, elsewhere;
  for (int64_t k = 0; k + kCrossfadeFrames <= size; ++k) {
    const auto begin = jumps_.begin() + k, end = begin + kCrossfadeFrames;
    if (std::any_of(begin, end, [](float jump) { return jump < 0; })) continue;
    const double jump = std::accumulate(begin, end, 0.0) / static_cast<double>(kCrossfadeFrames);
    if (is_join[static_cast<size_t>(k)])
      at_joins.push_back(jump);
    else if (!near[static_cast<size_t>(k)])
      elsewhere.push_back(jump);
  }
  return {std::ssize(at_joins), median(at_joins), median(elsewhere)};
}

}  // namespace fastsag::daemon
