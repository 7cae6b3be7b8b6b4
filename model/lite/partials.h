#pragma once
// The partials of notes that are known, as loud as a spectrum says: a guide for its phases (dsp/phase.h). Two strings
// of a chord often share one of its 23 Hz wide bins; how they beat stands in no magnitude, but follows from the notes.
//
// Units: 24 kHz; positions absolute. Repeatable: the phase of a partial is a function of key and onset, so windows that
// overlap agree and a held note stays one tone.
// Source: the stiff string, f_h = h f sqrt(1 + B h^2) (Fletcher, "Normal vibration frequencies of a stiff piano
// string", JASA 1964).
#include <cstdint>
#include <span>

#include "dsp/pool.h"
#include "model/plan.h"

namespace fastsag::model {

// magnitude: [frames][513] as dsp/phase.h has it. The samples that these frames cover, [256 first_frame - 384, ...).
// Piano and bass sound; strings, of which there are many a key, and drums do not.
dsp::Pooled<float> partials_of(std::span<const Note> notes, std::span<const float> magnitude, int64_t first_frame);

}  // namespace fastsag::model
