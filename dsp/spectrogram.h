#pragma once
// Magnitudes of a sound at the rate and hop of the figures of `fastsag eval` (which are those of common analysis
// programs, so that figures can be compared).
//
// Shapes/units: mono at 22.05 kHz; [frames][kFigureBins], unscaled, periodic Hann window of kFigureFft samples. Frame k
// is centred on sample 512 k; beyond the ends is silence; n samples make n / 512 + 1 frames. rms: [frames], of the same
// stretches without the window.
// Threads: free functions, callable from any. Real-time: allocates.
#include <cstdint>
#include <span>
#include <vector>

namespace fastsag::dsp {

inline constexpr int kFigureRate = 22050, kFigureFft = 2048, kFigureHop = 512, kFigureBins = kFigureFft / 2 + 1;
inline constexpr double kFigureFps = static_cast<double>(kFigureRate) / kFigureHop;
inline constexpr double kFigureHzPerBin = static_cast<double>(kFigureRate) / kFigureFft;
inline size_t figure_frames(size_t samples) { return samples / kFigureHop + 1; }

struct Spectrogram {
  size_t frames = 0;
  std::vector<float> magnitude;
  std::vector<float> rms;
  std::span<const float> frame(size_t k) const { return std::span(magnitude).subspan(k * kFigureBins, kFigureBins); }
};

Spectrogram spectrogram(std::span<const float> wave);

}  // namespace fastsag::dsp
