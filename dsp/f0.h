#pragma once
// Fundamental frequency of a singing voice, one value every 10 ms: YIN's difference function gives candidates of each
// frame, a Viterbi path through them decides which is sung and whether anything is.
//
// Units: voice is mono at 24 kHz. Frame k stands for the samples [240 k, 240 k + 240) and is measured on the 1024
// around their middle; the path looks a few hundred ms further. So windows that overlap agree, save near their edges.
// Source: de Cheveigne & Kawahara, "YIN", JASA 2002, eq. 6-8; the path is Boersma's (1993) idea.
#include <array>
#include <cstdint>
#include <span>

#include "dsp/pool.h"

namespace fastsag::dsp {

inline constexpr int kF0Hop = 240;
inline constexpr int kF0Rate = 24000;
inline constexpr float kF0Lowest = 60.0f, kF0Highest = 1100.0f;  // Hz

struct F0Frame {
  float hz = 0;            // the best guess; 0 where nothing is voiced
  float voicing = 0;       // 0..1, how periodic the frame is at hz
  float rms_db = -120.0f;  // level of the frame itself, dBFS
};

// What was measured of the frames of one window, for the next: a frame that both hear wholly is measured once.
struct F0Memory {
  static constexpr int kMaxCandidates = 8;
  struct Candidate {
    float log2_hz = 0;
    float difference = 1;
    float cost = 0;
  };
  struct Frame {
    float rms_db = 0, level = 0;  // dBFS; of the frame, and the larger one of its segment's without rumble
    int count = 0;
    std::array<Candidate, kMaxCandidates> candidates;
  };
  int64_t begin = 0, end = 0;  // the samples that were heard, on the caller's timeline
  Pooled<Frame> frames;        // from `begin` on
};

// size() / kF0Hop frames.
Pooled<F0Frame> track_f0(std::span<const float> voice);
// The same frames, of a voice whose first sample is at `begin`; what `memory` holds of the same timeline is not
// measured again where windows begin a multiple of kF0Hop apart, and it then holds this window.
Pooled<F0Frame> track_f0(std::span<const float> voice, int64_t begin, F0Memory& memory);

}  // namespace fastsag::dsp
