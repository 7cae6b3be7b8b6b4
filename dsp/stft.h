#pragma once
// Short-time Fourier transform with a periodic Hann window, and its least-squares inverse.
//
// Frame k covers samples [k * hop, k * hop + fft_size) of the wave it is given: no centring, no padding. Who wants
// other edges pads the wave. Shapes: spectra are frame after frame, [frames][bins], bins = fft_size / 2 + 1. Threads:
// one thread an object. Real-time: `analyse` and the `forward` that writes into a span allocate nothing, `inverse` into
// a span on its first call of each size only.
#include <complex>
#include <cstdint>
#include <span>
#include <vector>

#include "dsp/fft.h"

namespace fastsag::dsp {

// The N-point window that sums to a constant at every hop that divides N / 2.
std::vector<float> periodic_hann(int size);

class Stft {
 public:
  Stft(int fft_size, int hop);
  // From now on by `batch`, or by kissfft where that is null.
  void transform_by(FftBatch* batch);

  int fft_size() const { return fft_.size(); }
  int hop() const { return hop_; }
  int bins() const { return fft_.bins(); }
  // Whole frames in a wave; the samples that frames cover.
  int frames(int64_t samples) const {
    return samples < fft_size() ? 0 : static_cast<int>((samples - fft_size()) / hop_) + 1;
  }
  int64_t samples(int frames) const { return frames == 0 ? 0 : int64_t{frames - 1} * hop_ + fft_size(); }

  // One frame: fft_size samples -> bins.
  void analyse(std::span<const float> frame, std::span<std::complex<float>> spectrum);
  void forward(std::span<const float> wave, std::span<std::complex<float>> spectra);
  std::vector<std::complex<float>> forward(std::span<const float> wave);
  // The wave whose STFT is nearest to `spectra` (Griffin and Lim 1984, eq. 6). Samples that hardly any window covers,
  // at the outer edges of the first and the last frame, fade out.
  void inverse(std::span<const std::complex<float>> spectra, std::span<float> wave);
  std::vector<float> inverse(std::span<const std::complex<float>> spectra);

 private:
  void find_cover(size_t count);  // sum of the squared windows of `count` frames at each sample

  Fft fft_;
  int hop_;
  FftBatch* batch_ = nullptr;
  std::vector<float> window_;
  std::vector<float> frames_;  // as many as are transformed at once, windowed
  std::vector<float> cover_;   // what `inverse` divides by, kept because it is mostly called with one size
};

}  // namespace fastsag::dsp
