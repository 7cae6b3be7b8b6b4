#pragma once
// What notes and controllers stand for, as [midi.map] says.
//
// Threads: one thread an object.
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "daemon/config.h"

namespace fastsag::daemon {

enum class MidiAction { mute, level, next_seed, tap, mode };

struct MidiPress {
  MidiAction action;
  int value = 127;  // velocity or position of the controller, 0..127
  bool operator==(const MidiPress&) const = default;
};

class MidiMapper {
 public:
  explicit MidiMapper(const MidiMap& map) : map_(map) { controllers_.fill(0); }

  // A note counts when it is struck, a controller when it comes to 64 or more; for the level every value counts.
  std::vector<MidiPress> presses(std::span<const uint8_t> message);

 private:
  MidiMap map_;
  std::array<uint8_t, 16 * 128> controllers_;  // last values, by channel and number
};

// MIDI's law of volume, with 100 for unchanged: 127 is +4.2 dB, 50 is -12 dB, 0 is silence.
float level_db(int value);

}  // namespace fastsag::daemon
