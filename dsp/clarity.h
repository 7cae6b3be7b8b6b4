#pragma once
// How clear an accompaniment sounds: whether its tones stand out of what lies between them, and how sharply its notes
// begin.
//
// Units: 22.05 kHz mono, at any loudness. kNoFigure where nothing can be heard.
// Threads: free functions, callable from any. Real-time: allocates.
#include <span>

#include "dsp/accompaniment_features.h"

namespace fastsag::dsp {

struct Clarity {
  // Harmonics over the rest, 80..2000 Hz, dB, mean over the audible frames: power within 2 bins (5.4 Hz each) of the
  // peaks, which are 6 dB above the median of the 41 bins around them, over the power elsewhere.
  double hnr = kNoFigure;
  // How much a log-mel frame (10.7 ms, bands below 10 kHz) rises from one to the next, mean over bands of what rises,
  // neper: its 95th percentile over the frames.
  double attack = kNoFigure;
};

Clarity clarity(std::span<const float> wave);

}  // namespace fastsag::dsp
