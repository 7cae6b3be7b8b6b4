#include "dsp/spectral_tuning.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace fastsag::dsp {
namespace {

constexpr double kLowestHz = 150, kHighestHz = 4000;
constexpr float kLeastOfHighest = 0.1f;
constexpr int kBins = 100;  // of a semitone

struct Peak {
  double hz;
  float magnitude;
};

// Middle of a sorted list, as a mean of two where there are two.
float median(std::vector<float> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  if (values.size() % 2) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

void add_peaks(std::span<const float> frame, std::vector<Peak>& peaks) {
  const float least = kLeastOfHighest * *std::ranges::max_element(frame);
  const auto high = [&](size_t i) { return frame[i] > least ? frame[i] : 0.0f; };
  for (auto i = static_cast<size_t>(std::ceil(kLowestHz / kFigureHzPerBin));
       static_cast<double>(i) * kFigureHzPerBin < kHighestHz; ++i) {
    if (!(high(i) > high(i - 1) && high(i) >= high(i + 1))) continue;
    const float slope = (frame[i + 1] - frame[i - 1]) / 2, bend = frame[i + 1] + frame[i - 1] - 2 * frame[i];
    const float shift = std::abs(slope) < std::abs(bend) ? -slope / bend : 0.0f;
    peaks.push_back(
        {(static_cast<double>(i) + static_cast<double>(shift)) * kFigureHzPerBin, frame[i] + slope * shift / 2});
  }
}

}  // namespace

double spectral_tuning(const Spectrogram& spectrogram) {
  std::vector<Peak> peaks;
  for (size_t k = 0; k < spectrogram.frames; ++k) add_peaks(spectrogram.frame(k), peaks);
  if (peaks.empty()) return 0;
  std::vector<float> magnitudes;
  for (const Peak& peak : peaks) magnitudes.push_back(peak.magnitude);
  const float least = median(std::move(magnitudes));
  std::array<int, kBins> histogram{};
  for (const Peak& peak : peaks) {
    if (peak.magnitude < least) continue;
    const double key = 12 * std::log2(peak.hz / 27.5), off = key - std::floor(key + 0.5);  // A0, so also A4
    ++histogram[static_cast<size_t>(std::clamp(static_cast<int>((off + 0.5) * kBins), 0, kBins - 1))];
  }
  const auto mode = std::ranges::max_element(histogram) - histogram.begin();
  return static_cast<double>(mode) / kBins - 0.5;
}

}  // namespace fastsag::dsp
