#include "dsp/spectrogram.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "dsp/stft.h"

namespace fastsag::dsp {

Spectrogram spectrogram(std::span<const float> wave) {
  std::vector<float> padded(wave.size() + kFigureFft);
  std::ranges::copy(wave, padded.begin() + kFigureFft / 2);
  Stft stft(kFigureFft, kFigureHop);
  Spectrogram result;
  result.frames = figure_frames(wave.size());
  std::vector<std::complex<float>> spectrum(kFigureBins);
  for (size_t k = 0; k < result.frames; ++k) {
    const auto stretch = std::span(padded).subspan(k * kFigureHop, kFigureFft);
    stft.analyse(stretch, spectrum);
    for (const auto value : spectrum) result.magnitude.push_back(std::sqrt(std::norm(value)));
    double power = 0;
    for (const float x : stretch) power += static_cast<double>(x) * x;
    result.rms.push_back(static_cast<float>(std::sqrt(power / kFigureFft)));
  }
  return result;
}

}  // namespace fastsag::dsp
