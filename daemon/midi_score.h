#pragma once
// The accompaniment's notes as MIDI messages, each when its moment is played.
//
// A window's plan replaces what the one before had put after its slice's begin, as its sound does. Every note that is
// struck is released, whatever happens.
// Threads: one thread an object. Units: song positions at 24 kHz.
#include <array>
#include <cstdint>
#include <vector>

#include "model/plan.h"

namespace fastsag::daemon {

using MidiMessage = std::array<uint8_t, 3>;

class MidiScore {
 public:
  static constexpr int64_t kTooLate = model::kSampleRate / 4;  // a note that was missed by more is left out

  // Notes from `from` on are as the plan has them.
  void plan(const model::Plan& plan, int64_t from);
  // What is due until `position`; the order is the order to send it in. Muted: notes pass unheard.
  void play(int64_t position, bool muted, std::vector<MidiMessage>& out);
  // Releases all that sounds and forgets the rest.
  void stop(std::vector<MidiMessage>& out);

  size_t sounding() const { return sounding_.size(); }

 private:
  void release(size_t index, std::vector<MidiMessage>& out);

  std::vector<model::Note> pending_;  // ascending by onset
  std::vector<model::Note> sounding_;
};

}  // namespace fastsag::daemon
