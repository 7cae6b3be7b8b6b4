#pragma once
// Constant-Q magnitudes of a sound: a filter of the same width in semitones for every third of a semitone from C2 over
// six octaves. What harmony is read from.
//
// Shapes/units: 22.05 kHz mono; the result is [kConstantQBins][frames], frame k centred on sample 512 k, n samples make
// n / 512 + 1 frames. Bin b stands for the key 36 + b / 3 (MIDI), moved by `tuning`. A filter is a periodic Hann window
// of l = Q rate / hz samples (Q = 51.9: neighbours at -6 dB touch), of sum 1, times sqrt(l): white noise is flat.
// Source: Brown, "Calculation of a constant Q spectral transform", JASA 1991; each filter is a product in the spectrum
// of the whole sound, brought down to the hop by folding that spectrum (an idea of Velasco et al., DAFx 2011).
// Threads: free functions, callable from any. Real-time: allocates.
#include <span>
#include <vector>

namespace fastsag::dsp {

inline constexpr int kConstantQBins = 216, kConstantQPerOctave = 36, kConstantQFirstKey = 36;

// tuning: in bins (thirds of a semitone).
std::vector<float> constant_q(std::span<const float> wave, double tuning = 0);

}  // namespace fastsag::dsp
