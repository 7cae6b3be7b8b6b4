#pragma once
// Names of chords and keys as people write them -> our triads.
//
// Every chord becomes major, minor or none: sevenths, sixths, ninths, added and suspended notes, power chords and the
// bass after a slash are left away; augmented counts as major, diminished and half diminished as minor. "N.C." is no
// chord.
// Errors: nullopt for what is no chord or key; kChordsAre says to a person what is.
#include <optional>
#include <string_view>

#include "model/plan.h"

namespace fastsag::model {

inline constexpr std::string_view kChordsAre =
    "A to G with # or b, m for minor and what jazz adds, as C, F#m, Bb7, Am7/G, or N.C.";
inline constexpr std::string_view kKeysAre = "A to G with # or b, and m for minor: C, F#m, Bb, \"A minor\"";

// from 0, confidence 1.
std::optional<Chord> read_chord(std::string_view text);
std::optional<Chord> read_key(std::string_view text);

}  // namespace fastsag::model
