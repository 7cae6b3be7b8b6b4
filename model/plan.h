#pragma once
// What the model intends to play, in words a person and a MIDI cable understand: notes, chords, key, pulse. It goes to
// clients (`plan`), out as MIDI, and back into the model as the known past of the next window.
//
// Units: positions are samples at 24 kHz on the room's timeline; sample 0 is the first voice sample.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dsp/melody.h"

namespace fastsag::model {

inline constexpr int kSampleRate = 24000;

struct Note {
  int64_t onset = 0;
  int64_t release = 0;
  int pitch = 60;     // MIDI key
  int velocity = 80;  // 1..127
  int channel = 0;    // MIDI channel, one a part; 0 = piano
  bool operator==(const Note&) const = default;
};

enum class Quality { major, minor, none };

struct Chord {
  int64_t from = 0;  // holds until the next chord
  int root = 0;      // pitch class, 0 = C
  Quality quality = Quality::none;
  float confidence = 0;  // 0..1
  bool operator==(const Chord&) const = default;
};

// A steady pulse: beats at origin + n * period. Fractional samples, so that a grid does not drift over an hour.
struct Pulse {
  double period = 0;      // samples a beat
  double origin = 0;      // position of one beat
  int beats_per_bar = 0;  // 0: bars are not known
  int64_t downbeat = 0;   // index n of one downbeat, where bars are known
  float confidence = 0;   // 0 = free running, 1 = given from outside
  // Gathered over windows: how well each 16th of a bar of four beats fits the beat at `origin`, ln, up to a constant.
  std::array<float, 16> places{};
  std::optional<int64_t>
      number;  // of the beat at `origin` from bar 1 of the song on, where somebody counts: for a chart
  bool operator==(const Pulse&) const = default;
  double tempo_bpm() const { return period > 0 ? 60.0 * kSampleRate / period : 0; }
};

struct Plan {
  std::vector<Note> notes;    // ascending by onset, then pitch
  std::vector<Chord> chords;  // ascending
  std::optional<Chord> key;   // root and quality; confidence as found
  Pulse pulse;
  // What was sung, as far back as the model remembers (a minute and a half at most): songs return to their chords.
  std::vector<dsp::MelodyNote> sung;
  int64_t sung_from = 0;           // where that memory begins
  float singer_db = dsp::kNobody;  // how loud they have been: what is far softer leaks in while they rest
};

// Of a whole song's plan what sounds in [begin, end).
Plan excerpt(const Plan& song, int64_t begin, int64_t end);

// "C", "F#m", "N" (no chord).
std::string chord_name(const Chord& chord);

}  // namespace fastsag::model
