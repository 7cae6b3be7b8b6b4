#pragma once
// Waveform from magnitudes alone: phase gradient heap integration, then a few rounds of fast Griffin-Lim.
//
// Shapes/units: magnitude is [frames][513] of an unscaled STFT (fft 1024, hop 256, periodic Hann), 24 kHz. Frames count
// on the timeline as mel frames do: frame k covers samples [256 k - 384, 256 k + 640).
// Threads: free functions, callable from any. Real-time: no; for the generation thread. What it keeps between calls, it
// keeps for each. Source: Prusa, Balazs and Soendergaard, "A noniterative method for reconstruction of phase from STFT
// magnitude", 2017; Perraudin, Balazs and Soendergaard, "A fast Griffin-Lim algorithm", 2013.
#include <cstdint>
#include <span>
#include <vector>

#include "dsp/fft.h"

namespace fastsag::dsp {

struct PhaseOptions {
  int griffin_lim = 4;
  float momentum = 0.99f;
  FftBatch* fft = nullptr;  // of 1024 samples; null: kissfft
};

// Sound that has been played already: the samples at [end - samples.size(), end).
struct Past {
  std::span<const float> samples;
  int64_t end = 0;
};

// The samples at [256 first_frame, 256 (first_frame + frames)). Those that the past holds are the past's own, and the
// sound after `past.end` goes on from it: frames that lie in the past have its spectra (what `magnitude` says of them
// is not read), the others integrate from these, and every Griffin-Lim round puts the known samples back. So start 4
// frames or more before `past.end` (40 measured no better) with at least 1408 samples of past, and end 2 frames or more
// after the last sample of use: frames at the end lack the neighbours that overlap them.
//
// Guide: what is known of the tones in it, as sound of the samples that the frames cover, [256 first_frame - 384, ...);
// or nothing. Where it is strong its phases are taken, its magnitudes nowhere; the others integrate from these too.
//
// The same arguments give the same bytes; phases that nothing determines are a function of absolute frame and bin.
void synthesize(std::span<const float> magnitude, int64_t first_frame, const Past& past, const PhaseOptions& options,
                std::span<const float> guide, std::span<float> samples);
std::vector<float> synthesize(std::span<const float> magnitude, int64_t first_frame, const Past& past = {},
                              const PhaseOptions& options = {}, std::span<const float> guide = {});

}  // namespace fastsag::dsp
