#pragma once
// What people, MIDI and the network ask of a room while it plays.
//
// Threads: a CommandPort belongs to one thread; a room may have many. Commands take effect at the next window, level
// and mute within milliseconds. Real-time: send() never allocates, locks or waits; it answers false when the queue is
// full (counted by nobody: the person will turn the knob again).
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>

#include "daemon/mode.h"
#include "model/chart.h"
#include "model/ensemble.h"
#include "model/plan.h"

namespace fastsag::daemon {

struct SetMode {
  Mode mode;
};
struct SetGain {
  float db;
};  // of the accompaniment
struct SetMute {
  bool mute;
};
struct SetSeed {
  uint64_t seed;
};
struct NextSeed {};  // another accompaniment, please
struct SetPulse {
  std::optional<model::Pulse> pulse;
};  // song positions at 24 kHz; none: what the model hears
struct SetTemperature {
  float temperature;
};
struct SetDensity {
  float density;
};
struct SetLoudness {
  float loudness;
};
struct SetStyle {
  model::Ensemble style;
};
struct SetKey {
  std::optional<model::Chord> key;
};  // none: what the model hears
struct SetChart {
  std::shared_ptr<const model::Chart> chart;
};  // null: the model's own chords

using Command = std::variant<SetMode, SetGain, SetMute, SetSeed, NextSeed, SetPulse, SetTemperature, SetDensity,
                             SetLoudness, SetStyle, SetKey, SetChart>;

struct RoomState;

class CommandPort {
 public:
  explicit CommandPort(std::shared_ptr<RoomState> state);
  ~CommandPort();
  CommandPort(CommandPort&&) noexcept;
  bool send(const Command& command);

 private:
  struct Token;
  std::shared_ptr<RoomState> state_;
  std::unique_ptr<Token> token_;
};

}  // namespace fastsag::daemon
