#pragma once
// Who plays: the instruments, each with its MIDI channel, and the ensembles of them that a person can choose
// ("style" in what people write).
#include <array>
#include <optional>
#include <string_view>

namespace fastsag::model {

// In the order of kEnsembles.
enum class Ensemble { piano, band, strings };
inline constexpr std::array<std::string_view, 3> kEnsembles = {"piano", "band", "strings"};

constexpr std::string_view name_of(Ensemble ensemble) { return kEnsembles[static_cast<size_t>(ensemble)]; }
constexpr std::optional<Ensemble> ensemble_of(std::string_view name) {
  for (size_t i = 0; i < kEnsembles.size(); ++i)
    if (kEnsembles[i] == name) return static_cast<Ensemble>(i);
  return std::nullopt;
}

// Of Note::channel. Programmes of General MIDI: 0 piano, 33 finger bass, 48 strings, drums as on any channel 10.
inline constexpr int kPianoChannel = 0, kBassChannel = 1, kStringsChannel = 2, kDrumsChannel = 9;

struct Instrument {
  std::string_view name;  // of its stem in the corpus; its renderer is "prior_" + name
  int channel;
  double level_db;  // in the mix, against how the sound font plays it beside the piano
};
// All but the piano.
inline constexpr std::array kFurtherInstruments = {Instrument{"bass", kBassChannel, -3},
                                                   Instrument{"strings", kStringsChannel, -5},
                                                   Instrument{"drums", kDrumsChannel, 0}};

constexpr bool plays(Ensemble ensemble, int channel) {
  switch (channel) {
    case kPianoChannel:
      return true;
    case kStringsChannel:
      return ensemble == Ensemble::strings;
    case kBassChannel:
    case kDrumsChannel:
      return ensemble == Ensemble::band;
    default:
      return false;
  }
}

}  // namespace fastsag::model
