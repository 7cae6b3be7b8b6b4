#pragma once
// A tune that nobody sang: what the model is warmed up and timed with, so that all of it has work to do.
//
// Units: mono samples at 24 kHz. The same samples at any call.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <numbers>
#include <vector>

namespace fastsag::dsp {

// Notes of .5 s up and down a major scale from 220 Hz, with eight partials, -14 dBFS peak; soft between them.
inline std::vector<float> sung_tune(int64_t samples) {
  constexpr int64_t kRate = 24000, kNote = kRate / 2, kFade = kRate / 40;
  constexpr int kScale[] = {0, 2, 4, 5, 7, 5, 4, 2};
  std::vector<float> wave(static_cast<size_t>(samples));
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t within = i % kNote, edge = std::min(within, kNote - 1 - within);
    const double hz = 220 * std::exp2(kScale[i / kNote % std::size(kScale)] / 12.);
    const double at = 2 * std::numbers::pi * hz * static_cast<double>(within) / kRate;
    double sum = 0;
    for (int partial = 1; partial <= 8; ++partial) sum += std::sin(partial * at) / (partial * partial);
    const double fade = std::min(1., static_cast<double>(edge) / kFade);
    wave[static_cast<size_t>(i)] = static_cast<float>(.2 / 1.4 * fade * sum);
  }
  return wave;
}

}  // namespace fastsag::dsp
