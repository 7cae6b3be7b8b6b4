#include "model/plan.h"

#include <array>

namespace fastsag::model {

std::string chord_name(const Chord& chord) {
  static constexpr std::array kNames = {"C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"};
  if (chord.quality == Quality::none) return "N";
  const auto root = static_cast<size_t>(((chord.root % 12) + 12) % 12);
  return std::string(kNames[root]) + (chord.quality == Quality::minor ? "m" : "");
}

}  // namespace fastsag::model
