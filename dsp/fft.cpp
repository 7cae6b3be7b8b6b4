#include "dsp/fft.h"

#include <kiss_fftr.h>

#include <algorithm>
#include <cassert>

namespace fastsag::dsp {

struct Fft::Plans {
  explicit Plans(int size)
      : forward(kiss_fftr_alloc(size, 0, nullptr, nullptr)), inverse(kiss_fftr_alloc(size, 1, nullptr, nullptr)) {}
  ~Plans() {
    kiss_fftr_free(forward);
    kiss_fftr_free(inverse);
  }
  kiss_fftr_cfg forward, inverse;
};

Fft::Fft(int size) : size_(size), plans_(std::make_unique<Plans>(size)) {}
Fft::~Fft() = default;
Fft::Fft(Fft&&) noexcept = default;
Fft& Fft::operator=(Fft&&) noexcept = default;

// kiss_fft_cpx and std::complex<float> are both two floats in a row.
void Fft::forward(std::span<const float> time, std::span<std::complex<float>> spectrum) const {
  assert(std::ssize(time) == size_ && std::ssize(spectrum) == bins());
  kiss_fftr(plans_->forward, time.data(), reinterpret_cast<kiss_fft_cpx*>(spectrum.data()));
}

void Fft::inverse(std::span<const std::complex<float>> spectrum, std::span<float> time) const {
  assert(std::ssize(time) == size_ && std::ssize(spectrum) == bins());
  kiss_fftri(plans_->inverse, reinterpret_cast<const kiss_fft_cpx*>(spectrum.data()), time.data());
  std::ranges::transform(time, time.begin(), [scale = 1.0f / static_cast<float>(size_)](float x) { return x * scale; });
}

}  // namespace fastsag::dsp
