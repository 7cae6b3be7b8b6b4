#pragma once
// The sung line as notes: what a listener would write down of an F0 track. Vibrato and slides stay inside a note;
// repeated notes are split where the voice breaks off, dips or strikes anew.
//
// Units: positions are absolute samples at 24 kHz; pitch is a fractional MIDI key as sung (A4 = 69), so that
// round(pitch - tuning) is the key on the singer's own scale.
#include <cstdint>
#include <span>

#include "dsp/f0.h"
#include "dsp/pool.h"

namespace fastsag::dsp {

struct MelodyNote {
  int64_t onset = 0;
  int64_t release = 0;   // > onset, <= the next note's onset
  float pitch = 60;      // median over the note
  float confidence = 0;  // 0..1: mean voicing, less where the pitch wanders
};

// How far the singer is off concert pitch, semitones in (-0.5, 0.5]; 0 where nothing is sung.
float estimate_tuning(std::span<const F0Frame> frames);

// How loud the loud frames are, dBFS; kNobody where there are none.
inline constexpr float kNobody = -120.0f;
float loud_db(std::span<const F0Frame> frames);

// Ascending, not overlapping; the first frame stands at first_position. singer_db: how loud the singer has been before,
// for what is far softer than they are is no note of theirs, though it be all that sounds while they rest.
Pooled<MelodyNote> segment_melody(std::span<const F0Frame> frames, int64_t first_position, float singer_db = kNobody);

}  // namespace fastsag::dsp
