#pragma once
// Notes of the instruments beside the piano: bass, strings and drums, by rules, on the chords and the pulse of a plan.
// (There is no score of them to learn from: POP909 has a piano alone.)
//
// Bass: roots, as the bass drum goes, with fifths and a step towards the next chord. Strings: the triad in close
// position, held, each chord near the one before. Drums: a groove a song, a fill into every fourth bar. They rest where
// the plan says no chord, and know of time only what the plan does: drums and bass keep to chord changes where the
// pulse is a guess; without known bars there is a shaker in place of a groove.
//
// Repeatable: a choice is a function of (seed, position) and of the notes that are in the plan already, so windows that
// overlap agree where they know the same.
// Units: positions are samples at 24 kHz.
#include "model/ensemble.h"
#include "model/plan.h"

namespace fastsag::model {

struct Arrangement {
  Ensemble ensemble = Ensemble::piano;
  uint64_t seed = 1;
  float density = 0, loudness = 0;  // as Controls'
  int64_t known_end = 0, write_end = 0;
};

// Below it a pulse is a guess, and no drum is struck to it.
inline constexpr float kSurePulse = .3f;

// Adds notes with onsets in [known_end, write_end) to `plan`, whose notes before it stay (but a bass or string note
// that would sound into another chord ends with its own).
void arrange(Plan& plan, const Arrangement& how);

}  // namespace fastsag::model
