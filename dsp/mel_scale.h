#pragma once
// Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above, 27 mels to a factor of 6.4.
#include <cmath>

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

}  // namespace fastsag::dsp
