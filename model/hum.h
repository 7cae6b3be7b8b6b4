#pragma once
// A hum: what networks are warmed up and timed with, where nobody sings.
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "model/plan.h"

namespace fastsag::model {

// 220 Hz, -20 dBFS peak, at 24 kHz.
inline std::vector<float> hum(int64_t samples) {
  std::vector<float> wave(static_cast<size_t>(samples));
  for (size_t i = 0; i < wave.size(); ++i)
    wave[i] = .1f * static_cast<float>(std::sin(static_cast<double>(i) * 2 * std::numbers::pi * 220 / kSampleRate));
  return wave;
}

}  // namespace fastsag::model
