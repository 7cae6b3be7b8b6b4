#pragma once
// One room between its MIDI cables: controllers and the beat in, the accompaniment's notes out.
//
// Threads: one thread calls receive(), step() and stop(). Units: messages as they are on the wire.
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "daemon/audio_device.h"
#include "daemon/clock.h"
#include "daemon/head_follower.h"
#include "daemon/midi_clock.h"
#include "daemon/midi_map.h"
#include "daemon/midi_score.h"

namespace fastsag::daemon {

class MidiRoom {
 public:
  // `latency`: of the sound card that the room is sung into and heard from.
  MidiRoom(std::shared_ptr<Room> room, const MidiConfig& config, const AudioLatency& latency = {});

  // A message that arrived at `when`.
  void receive(Nanoseconds when, std::span<const uint8_t> message);
  // Every few milliseconds. Appends what is to be sent now.
  void step(Nanoseconds now, std::vector<MidiMessage>& out);
  // Releases all that sounds, on every channel that was used.
  void stop(std::vector<MidiMessage>& out);
  void reload(const MidiConfig& config);

 private:
  struct Inbox {  // filled by the generation thread
    std::mutex mutex;
    std::vector<WindowEvent> events;
  };

  void follow(Nanoseconds now, const RoomStatus& status, std::vector<MidiMessage>& out);
  void press(const MidiPress& press, double position);
  void send_pulse(double now);
  double sung_at(Nanoseconds time) const;                             // song position at 24 kHz of what is sung then
  double heard_at(Nanoseconds time, const RoomStatus& status) const;  // and of the accompaniment heard then

  const std::shared_ptr<Room> room_;
  const AudioLatency latency_;
  const double to_model_;  // room samples to 24 kHz
  CommandPort commands_;
  MidiConfig config_;
  MidiMapper mapper_;
  MidiClock clock_;
  TapTempo taps_;
  HeadFollower head_;
  MidiScore score_;
  std::optional<model::Pulse> sent_;
  uint16_t used_channels_ = 0;
  uint32_t song_ = 0;
  Mode mode_ = Mode::delayed;
  std::shared_ptr<Inbox> inbox_;
  Subscription subscription_;  // last: ends first
};

}  // namespace fastsag::daemon
