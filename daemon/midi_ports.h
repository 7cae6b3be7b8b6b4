#pragma once
// The MIDI ports of this machine (ALSA's and JACK's), and those that a person means by a name.
//
// Threads: the control thread; what a port receives is told on RtMidi's.
// Errors: opening throws fastsag::Error that lists what there is; so does sending, once the port is gone.
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/audio_catalog.h"

class RtMidiIn;
class RtMidiOut;

namespace fastsag::daemon {

struct MidiPortInfo {
  std::string name;
  std::string host;                        // "ALSA", "Jack"
  Direction direction = Direction::input;  // input: we hear it
  int api = 0;                             // RtMidi's
  unsigned index = 0;
};

std::vector<MidiPortInfo> midi_ports();
// A whole name or the beginning of one.
const MidiPortInfo& choose_port(std::span<const MidiPortInfo> ports, std::string_view name, Direction direction);

using MidiListener = std::function<void(std::span<const uint8_t>)>;

class MidiInput {
 public:
  MidiInput(std::string_view name, MidiListener listener);
  ~MidiInput();
  const std::string& name() const { return name_; }

 private:
  MidiListener listener_;
  std::string name_;
  std::unique_ptr<RtMidiIn> port_;
};

class MidiOutput {
 public:
  explicit MidiOutput(std::string_view name);
  ~MidiOutput();
  void send(std::span<const uint8_t> message);
  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::unique_ptr<RtMidiOut> port_;
};

}  // namespace fastsag::daemon
