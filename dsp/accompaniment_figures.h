#pragma once
// How well an accompaniment fits its voice, in figures that need no trained judge. The words are those of score.py;
// docs/evaluation.md has each definition in a line.
//
// Units: shares 0..1 of the voiced frames; seconds. NaN where there is nothing to judge (nobody sings, no reference).
// Source: score.py; the triads are those of Fujishima (ICMC 1999), the F-measure is Dixon's with +-70 ms (Davies et
// al. 2009).
// Threads: free functions, callable from any. Real-time: allocates.
#include <span>
#include <vector>

#include "dsp/accompaniment_features.h"

namespace fastsag::dsp {

// What is sung: the voiced frames only, 20 ms apart.
struct SungPitch {
  std::vector<double> seconds, hz;
  double voiced = 0;  // share of all frames
};
// By dsp/f0.h, and loud enough: no more than 35 dB below the loudest frame. 24 kHz mono.
SungPitch sung_pitch(std::span<const float> voice);
SungPitch between(const SungPitch& sung, double begin_s, double end_s);

struct Harmony {
  double cons1 = kNoFigure, cons1_x = kNoFigure;  // in consonance with the strongest pitch class
  double cons3 = kNoFigure, cons3_x = kNoFigure;  // ... with each of the three strongest
  double triad = kNoFigure, triad_x = kNoFigure;  // in the best triad; _x: minus the mean over 12 transpositions
  double doubled = kNoFigure;                     // the strongest bin is the sung pitch itself
};
Harmony harmony(const AccompanimentFeatures& accompaniment, const SungPitch& sung);

// Correlation of the two chromas (mean removed), mean over half seconds; silence counts 0.
double chroma_correlation(const AccompanimentFeatures& accompaniment, const AccompanimentFeatures& truth);

// Beats of 22.05 kHz mono at any loudness; none below -60 LUFS.
std::vector<double> beats_of(std::span<const float> wave);
// Those of voice and truth together, the voice 3 dB below: what the beats of an accompaniment are held against.
std::vector<double> reference_beats(std::span<const float> voice, std::span<const float> truth);
// 2 hits / (beats + reference beats); NaN for fewer than two reference beats. Both ascend.
double beat_f(std::span<const double> beats, std::span<const double> reference);

}  // namespace fastsag::dsp
