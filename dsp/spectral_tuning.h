#pragma once
// How far a sound is off concert pitch, read from the peaks of its spectrum.
//
// Units: semitones in [-0.5, 0.5), a multiple of 0.01; 0 for silence. Peaks are looked for in 150..4000 Hz, above a
// tenth of their frame's highest; the louder half of all counts, in a histogram of their distances from the next key.
// Source: McAulay and Quatieri 1986 (peaks by a parabola through three bins, Smith and Serra 1987); the histogram's
// mode as in librosa 0.11 (McFee et al.), estimate_tuning.
#include "dsp/spectrogram.h"

namespace fastsag::dsp {

double spectral_tuning(const Spectrogram& spectrogram);

}  // namespace fastsag::dsp
