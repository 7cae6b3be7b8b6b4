#include "dsp/mel.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <complex>

#include "dsp/error.h"
#include "dsp/mel_scale.h"
#include "dsp/stft.h"

namespace fastsag::dsp {
namespace {

struct Basis {
  std::vector<float> dense = std::vector<float>(kMelBands * kMelBins);
  std::vector<MelBand> bands = mel_bands(kMelBands, kMelFft, kMelSampleRate);

  Basis() {
    for (size_t band = 0; band < bands.size(); ++band)
      std::ranges::copy(bands[band].weights,
                        dense.begin() + static_cast<ptrdiff_t>(band * kMelBins + bands[band].first));
  }
};

const Basis& basis() {
  static const Basis made;
  return made;
}

// x[1..pad] mirrored before the start, x[n-1-pad..n-2] after the end: the edge sample itself is not repeated.
std::vector<float> reflect(std::span<const float> wave, int pad) {
  std::vector<float> padded(wave.size() + 2 * pad);
  std::reverse_copy(wave.begin() + 1, wave.begin() + 1 + pad, padded.begin());
  std::ranges::copy(wave, padded.begin() + pad);
  std::reverse_copy(wave.end() - 1 - pad, wave.end() - 1, padded.end() - pad);
  return padded;
}

}  // namespace

std::vector<float> mel(std::span<const float> wave) {
  if (std::ssize(wave) <= kMelPad)
    throw Error("mel: the wave has " + std::to_string(wave.size()) +
                " samples; its edges are mirrored, which takes at least " + std::to_string(kMelPad + 1));
  const std::vector<float> padded = reflect(wave, kMelPad);
  Stft stft(kMelFft, kMelHop);
  const int frames = stft.frames(std::ssize(padded));
  std::vector<float> out(size_t(kMelBands) * frames), magnitude(kMelBins);
  std::vector<std::complex<float>> spectrum(kMelBins);
  for (int k = 0; k < frames; ++k) {
    stft.analyse(std::span(padded).subspan(size_t(k) * kMelHop, kMelFft), spectrum);
    std::ranges::transform(spectrum, magnitude.begin(), [](std::complex<float> c) {
      return std::sqrt(c.real() * c.real() + c.imag() * c.imag() + 1e-9f);
    });
    for (int band = 0; band < kMelBands; ++band) {
      const auto& [first, weights] = basis().bands[band];
      float sum = 0;
      for (size_t i = 0; i < weights.size(); ++i) sum += weights[i] * magnitude[first + i];
      out[size_t(band) * frames + k] = std::log(std::max(sum, 1e-5f));
    }
  }
  return out;
}

std::span<const float> mel_basis() { return basis().dense; }

void normalise(std::span<float> log_mel) {
  for (float& value : log_mel) value = normalise(value);
}

void denormalise(std::span<float> model_mel) {
  for (float& value : model_mel) value = denormalise(value);
}

void minmax_scale(std::span<float> wave) {
  if (wave.empty()) return;
  const auto [low, high] = std::ranges::minmax(wave);
  const double least = low,
               range = high - least;  // a float's last bit here is ten times as much behind MERT's GroupNorm
  for (float& x : wave) x = range > 0 ? static_cast<float>(-0.8 + 1.6 * (x - least) / range) : 0.0f;
}

}  // namespace fastsag::dsp
