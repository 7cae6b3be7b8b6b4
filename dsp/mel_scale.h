#pragma once
// Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above, 27 mels to a factor of 6.4; and
// the filters on it that both mels of this project are made of.
#include <cmath>
#include <cstddef>
#include <vector>

namespace fastsag::dsp {

inline double mel_to_hz(double mel) {
  constexpr double kHzPerMel = 200.0 / 3, kLogStartHz = 1000, kLogStartMel = kLogStartHz / kHzPerMel;
  static const double step = std::log(6.4) / 27;
  return mel < kLogStartMel ? mel * kHzPerMel : kLogStartHz * std::exp(step * (mel - kLogStartMel));
}

inline double hz_to_mel(double hz) {
  static const double step = std::log(6.4) / 27;
  return hz < 1000 ? hz * 3 / 200 : 15 + std::log(hz / 1000) / step;
}

// One triangle of area 1 (over Hz): the weights of the bins where it is not zero.
struct MelBand {
  size_t first = 0;
  std::vector<float> weights;
};
// From 0 to half of the sample rate, on bins 0 .. fft_size / 2.
std::vector<MelBand> mel_bands(int count, int fft_size, double sample_rate);

}  // namespace fastsag::dsp
