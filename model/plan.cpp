#include "model/plan.h"

#include <array>

namespace fastsag::model {

Plan excerpt(const Plan& song, int64_t begin, int64_t end) {
  Plan plan{.key = song.key, .pulse = song.pulse};
  for (const Note& note : song.notes)
    if (note.onset < end && note.release > begin) plan.notes.push_back(note);
  for (const Chord& chord : song.chords) {
    if (chord.from >= end) break;
    if (chord.from <= begin) plan.chords.clear();  // over before the next one's beginning
    plan.chords.push_back(chord);
  }
  return plan;
}

std::string chord_name(const Chord& chord) {
  static constexpr std::array kNames = {"C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"};
  if (chord.quality == Quality::none) return "N";
  const auto root = static_cast<size_t>(((chord.root % 12) + 12) % 12);
  return std::string(kNames[root]) + (chord.quality == Quality::minor ? "m" : "");
}

}  // namespace fastsag::model
