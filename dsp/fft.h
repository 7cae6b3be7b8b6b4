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

// Many transforms of one size at a time, which another library may do faster: [count][size] samples and [count][bins]
// values, scaled as Fft's. One thread an object.
class FftBatch {
 public:
  virtual ~FftBatch() = default;
  virtual void forward(std::span<const float> time, std::span<std::complex<float>> spectra) = 0;
  virtual void inverse(std::span<const std::complex<float>> spectra, std::span<float> time) = 0;
};

}  // namespace fastsag::dsp
