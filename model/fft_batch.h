#pragma once
// LibTorch's FFT (MKL's, where it has that): four to six times as fast as kissfft on many frames at once.
//
// at::fft_rfft plans anew at every call and copies on its way. Where MKL lies within LibTorch its plans are made here,
// as LibTorch makes them, and kept: the same numbers, and nothing is allocated after the first transform.
// Threads: one thread an object. Shapes: as dsp/fft.h.
#include <array>
#include <memory>

#include "dsp/fft.h"

namespace fastsag::model {

class TorchFftBatch final : public dsp::FftBatch {
 public:
  explicit TorchFftBatch(int size);
  ~TorchFftBatch() override;
  void forward(std::span<const float> time, std::span<std::complex<float>> spectra) override;
  void inverse(std::span<const std::complex<float>> spectra, std::span<float> time) override;

 private:
  struct Plans;          // of one number of transforms
  template <class Body>  // (plans, first transform)
  void for_each_part(int64_t count, const Body& body);

  int size_;
  std::array<std::unique_ptr<Plans>, 6> plans_;  // of 1, 2, 4 .. 32; null where there is no MKL
};

}  // namespace fastsag::model
