#include "dsp/stft.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>

namespace fastsag::dsp {
namespace {

// Below this sum of squared windows (1.5 when four Hann windows overlap) dividing would only blow up what is left there.
constexpr float kLeastCover = 1e-3f;

}  // namespace

std::vector<float> periodic_hann(int size) {
  std::vector<float> window(size);
  for (int n = 0; n < size; ++n) window[n] = static_cast<float>(0.5 - 0.5 * std::cos(2 * std::numbers::pi * n / size));
  return window;
}

Stft::Stft(int fft_size, int hop) : fft_(fft_size), hop_(hop), window_(periodic_hann(fft_size)), frame_(fft_size) {}

void Stft::analyse(std::span<const float> frame, std::span<std::complex<float>> spectrum) {
  assert(std::ssize(frame) == fft_size());
  std::ranges::transform(frame, window_, frame_.begin(), std::multiplies<>());
  fft_.forward(frame_, spectrum);
}

std::vector<std::complex<float>> Stft::forward(std::span<const float> wave) {
  const size_t count = frames(std::ssize(wave)), width = bins();
  std::vector<std::complex<float>> spectra(count * width);
  for (size_t k = 0; k < count; ++k)
    analyse(wave.subspan(k * hop_, fft_size()), std::span(spectra).subspan(k * width, width));
  return spectra;
}

void Stft::inverse(std::span<const std::complex<float>> spectra, std::span<float> wave) {
  const size_t size = fft_size(), width = bins(), count = spectra.size() / width;
  assert(std::ssize(wave) == samples(static_cast<int>(count)));
  std::ranges::fill(wave, 0.0f);
  for (size_t k = 0; k < count; ++k) {
    fft_.inverse(spectra.subspan(k * width, width), frame_);
    float* out = wave.data() + k * hop_;
    for (size_t n = 0; n < size; ++n) out[n] += frame_[n] * window_[n];
  }
  // Away from the edges the squared windows of all frames sum to the same few values, one for each phase of the hop.
  for (size_t i = 0; i < wave.size(); ++i) {
    const size_t last = std::min(i / hop_, count - 1), first = i < size ? 0 : (i - size) / hop_ + 1;
    float cover = 0;
    for (size_t k = first; k <= last; ++k) cover += window_[i - k * hop_] * window_[i - k * hop_];
    wave[i] /= std::max(cover, kLeastCover);
  }
}

std::vector<float> Stft::inverse(std::span<const std::complex<float>> spectra) {
  std::vector<float> wave(samples(static_cast<int>(spectra.size()) / bins()));
  inverse(spectra, wave);
  return wave;
}

}  // namespace fastsag::dsp
