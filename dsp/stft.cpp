#include "dsp/stft.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <functional>
#include <numbers>

namespace fastsag::dsp {
namespace {

// Below this sum of squared windows (1.5 when four Hann windows overlap) dividing would only blow up what is left
// there.
constexpr float kLeastCover = 1e-3f;
constexpr size_t kBatch = 32;  // frames that lie in the cache together

}  // namespace

std::vector<float> periodic_hann(int size) {
  std::vector<float> window(size);
  for (int n = 0; n < size; ++n) window[n] = static_cast<float>(0.5 - 0.5 * std::cos(2 * std::numbers::pi * n / size));
  return window;
}

Stft::Stft(int fft_size, int hop)
    : fft_(fft_size), hop_(hop), window_(periodic_hann(fft_size)), frames_(window_.size()) {}

void Stft::transform_by(FftBatch* batch) {
  batch_ = batch;
  frames_.resize(window_.size() * (batch ? kBatch : 1));
}

void Stft::analyse(std::span<const float> frame, std::span<std::complex<float>> spectrum) {
  assert(std::ssize(frame) == fft_size());
  std::ranges::transform(frame, window_, frames_.begin(), std::multiplies<>());
  fft_.forward(std::span(frames_).first(frame.size()), spectrum);
}

std::vector<std::complex<float>> Stft::forward(std::span<const float> wave) {
  std::vector<std::complex<float>> spectra(size_t(frames(std::ssize(wave))) * bins());
  forward(wave, spectra);
  return spectra;
}

void Stft::forward(std::span<const float> wave, std::span<std::complex<float>> spectra) {
  const size_t count = frames(std::ssize(wave)), width = bins();
  assert(spectra.size() == count * width);
  const size_t size = window_.size(), at_once = frames_.size() / size;
  for (size_t first = 0; first < count; first += at_once) {
    const size_t many = std::min(at_once, count - first);
    for (size_t k = 0; k < many; ++k)
      std::ranges::transform(wave.subspan((first + k) * hop_, size), window_, frames_.begin() + k * size,
                             std::multiplies<>());
    const auto time = std::span(frames_).first(many * size);
    const auto into = spectra.subspan(first * width, many * width);
    batch_ ? batch_->forward(time, into) : fft_.forward(time, into);
  }
}

void Stft::inverse(std::span<const std::complex<float>> spectra, std::span<float> wave) {
  const size_t size = window_.size(), width = bins(), count = spectra.size() / width, at_once = frames_.size() / size;
  assert(std::ssize(wave) == samples(static_cast<int>(count)));
  std::ranges::fill(wave, 0.0f);
  for (size_t first = 0; first < count; first += at_once) {
    const size_t many = std::min(at_once, count - first);
    const auto time = std::span(frames_).first(many * size);
    const auto from = spectra.subspan(first * width, many * width);
    batch_ ? batch_->inverse(from, time) : fft_.inverse(from, time);
    for (size_t k = 0; k < many; ++k) {
      float* const out = wave.data() + (first + k) * hop_;
      const float* const frame = frames_.data() + k * size;
      for (size_t n = 0; n < size; ++n) out[n] += frame[n] * window_[n];
    }
  }
  if (cover_.size() != wave.size()) find_cover(count);
  std::ranges::transform(wave, cover_, wave.begin(), std::divides<>());
}

void Stft::find_cover(size_t count) {
  cover_.assign(samples(static_cast<int>(count)), 0);
  for (size_t k = 0; k < count; ++k)
    for (size_t n = 0; n < window_.size(); ++n) cover_[k * hop_ + n] += window_[n] * window_[n];
  for (float& value : cover_) value = std::max(value, kLeastCover);
}

std::vector<float> Stft::inverse(std::span<const std::complex<float>> spectra) {
  std::vector<float> wave(samples(static_cast<int>(spectra.size()) / bins()));
  inverse(spectra, wave);
  return wave;
}

}  // namespace fastsag::dsp
