#pragma once
// Everything that an accompaniment is judged by in `fastsag eval`, taken from its sound once.
//
// Shapes/units: 22.05 kHz mono in; frames of 512 samples, see dsp/spectrogram.h; constant_q is
// [kConstantQBins][frames], chroma [12][frames] from C, both of the accompaniment's own tuning. Levels in dB relative
// to full scale. Source: the definitions of score.py, which people who develop the model judge by (docs/evaluation.md
// has them). Threads: free functions, callable from any. Real-time: allocates.
#include <limits>
#include <span>
#include <vector>

namespace fastsag::dsp {

inline constexpr double kNoFigure = std::numeric_limits<double>::quiet_NaN();
inline constexpr float kAudibleDb = -50;    // a frame (RMS) below is silent
inline constexpr double kFloorLufs = -70;   // where BS.1770 stops listening
inline constexpr double kBeatLufs = -20;    // beats are tracked at this loudness
inline constexpr double kRollShare = 0.37;  // of the length, for the control that is in the wrong place

struct AccompanimentFeatures {
  double tuning = 0;  // semitones
  size_t frames = 0;
  std::vector<float> constant_q, chroma;
  std::vector<float> level_db;  // RMS of a frame
  double lufs = kFloorLufs;     // integrated, BS.1770
  double silent = 1;            // share of frames below kAudibleDb
  double flat = kNoFigure;      // mean log10 spectral flatness of what is audible, 100..8000 Hz: 0 = white noise
  double peak = kNoFigure;      // mean of 95th percentile - median of its log power, 200..5000 Hz, dB: small = noisy
};

AccompanimentFeatures accompaniment_features(std::span<const float> wave);

// The same sound later, its end come round to the beginning.
AccompanimentFeatures rolled(AccompanimentFeatures features, double later_s);
std::vector<double> rolled_beats(std::vector<double> beats, double later_s, double length_s);
// The same sound, louder.
AccompanimentFeatures louder(AccompanimentFeatures features, double db);

double gated_lufs(std::span<const float> wave);  // kFloorLufs at the least, and for less than half a second
// Left as it is where there is nothing to be heard.
std::vector<float> at_loudness(std::vector<float> wave, double lufs);

}  // namespace fastsag::dsp
