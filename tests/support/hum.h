#pragma once
// A voice for tests of everything but hearing: one steady tone, the same at a position whoever asks.
#include <cmath>
#include <cstdint>
#include <vector>

namespace fastsag::test {

inline std::vector<float> hum(int64_t begin, int64_t samples, int rate = 48000, double hertz = 150) {
  std::vector<float> voice;
  for (int64_t i = begin; i < begin + samples; ++i)
    voice.push_back(0.2f * static_cast<float>(std::sin(2 * M_PI * hertz * static_cast<double>(i) / rate)));
  return voice;
}

}  // namespace fastsag::test
