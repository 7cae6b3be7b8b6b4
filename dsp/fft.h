#pragma once
// Real FFT of one fixed size, on kissfft.
//
// Threads: one thread an object. Real-time: no allocation after construction.
#include <complex>
#include <memory>
#include <span>

namespace fastsag::dsp {

class Fft {
 public:
  explicit Fft(int size);  // even
  ~Fft();
  Fft(Fft&&) noexcept;
  Fft& operator=(Fft&&) noexcept;

  int size() const { return size_; }
  int bins() const { return size_ / 2 + 1; }
  // time: size() samples; spectrum: bins() values, unscaled.
  void forward(std::span<const float> time, std::span<std::complex<float>> spectrum) const;
  // Scaled by 1/size(), so that inverse(forward(x)) = x.
  void inverse(std::span<const std::complex<float>> spectrum, std::span<float> time) const;

 private:
  struct Plans;
  int size_;
  std::unique_ptr<Plans> plans_;
};

}  // namespace fastsag::dsp
