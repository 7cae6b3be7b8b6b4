#pragma once
// Beats of a finished recording: onsets in a mel spectrogram, one tempo for the whole, then the sequence of frames that
// keeps to that tempo and hits most onsets. (`dsp/pulse.h` is the live one, for a voice alone.)
//
// Units: 22.05 kHz; onset strength has one value a frame (frame k at 512 k samples); beats in seconds, ascending.
// Source: Ellis, "Beat tracking by dynamic programming", J. New Music Research 2007, with the constants of librosa
// 0.11's beat_track (128 mel bands, median over bands, 120 bpm with a spread of an octave, tightness 100).
#include <span>
#include <vector>

#include "dsp/spectrogram.h"

namespace fastsag::dsp {

// Median over 128 mel bands of how much louder (dB) than in the frame before.
std::vector<float> onset_strength(const Spectrogram& spectrogram);
// 0 where there is no onset at all.
double tempo_bpm(std::span<const float> onset_strength);
std::vector<double> track_beats(std::span<const float> onset_strength);

}  // namespace fastsag::dsp
