#pragma once
// LibTorch's FFT (MKL's, where it has that): four to six times as fast as kissfft on many frames at once.
//
// Threads: one thread an object. Shapes: as dsp/fft.h.
#include "dsp/fft.h"

namespace fastsag::model {

class TorchFftBatch final : public dsp::FftBatch {
 public:
  explicit TorchFftBatch(int size) : size_(size) {}
  void forward(std::span<const float> time, std::span<std::complex<float>> spectra) override;
  void inverse(std::span<const std::complex<float>> spectra, std::span<float> time) override;

 private:
  int size_;
};

}  // namespace fastsag::model
