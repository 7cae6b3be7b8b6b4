#pragma once
// One singer, the accompaniment made for them, and everybody who hears it.
//
// Threads: voice() one producer thread; every output() one reader thread; command_port() one sender thread each;
// subscribe() and status() any thread. Events are delivered on the generation thread: hand them over, do not work
// there.
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "daemon/command.h"
#include "daemon/mode.h"
#include "daemon/room_output.h"
#include "daemon/voice_input.h"
#include "model/accompanist.h"
#include "model/plan.h"

namespace fastsag::daemon {

struct RoomSettings {
  int sample_rate = 48000;  // of its timeline and outputs: a multiple of 50, 8000..192000
  Mode mode = Mode::delayed;
  double hop_s = 1.0;  // rounded to 20 ms, as the next two
  double context_s = 0.9;
  double reserve_s = 1.5;  // at least hop + .25, so that one lost window is survived
  double idle_s = 15;
  float gain_db = 0;
  uint64_t seed = 1;
  model::Ensemble style = model::Ensemble::piano;
  float temperature = model::Controls{}.temperature, density = 0, loudness = 0;
  std::optional<model::Chord> key;
  std::shared_ptr<const model::Chart> chart;
  std::shared_ptr<const model::Plan> score;  // model::Controls
};

// A window was written: what is going to be played.
struct WindowEvent {
  Mode mode = Mode::delayed;
  std::shared_ptr<const model::Plan> plan;  // song positions at 24 kHz
  int64_t slice_begin = 0;                  // what became final, song positions at 24 kHz
  int64_t slice_end = 0;
  uint32_t song = 0;  // counts restarts: positions of another song do not compare
};

// Counters only grow, over the room's life.
struct RoomStatus {
  Mode mode = Mode::delayed;
  int sample_rate = 48000;
  uint32_t song = 0;
  bool idle = true;
  bool muted = false;
  uint64_t seed = 1;
  model::Ensemble style = model::Ensemble::piano;
  float gain_db = 0;
  int64_t voice_head = 0;       // song position, room rate
  double delay_ms = 0;          // delayed: newest voice to the accompaniment due now; 0 in live
  double lead_ms = 0;           // live: newest voice to the begin of the next slice; 0 in delayed
  int64_t windows = 0;          // written in time
  int64_t dropped = 0;          // came too late
  int64_t errors = 0;           // generate() threw
  int64_t stale = 0, gaps = 0;  // times that the reserve had to play, and that it ended
  int64_t stale_samples = 0, gap_samples = 0, played_samples = 0;  // of the output that fared worst
  int64_t overruns = 0;      // voice samples that the generation thread was too late to read
  int64_t lost_samples = 0;  // voice that never arrived
  int64_t restarts = 0;
  float level_db = -120;  // accompaniment as heard, RMS of the last .3 s
  float voice_level_db = -120;
};

// Ends when it is destroyed. May outlive the room.
class Subscription {
 public:
  Subscription() = default;
  explicit Subscription(std::function<void()> end) : end_(std::move(end)) {}
  Subscription(Subscription&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
  Subscription& operator=(Subscription&& other) noexcept {
    std::swap(end_, other.end_);
    return *this;
  }
  ~Subscription() {
    if (end_) end_();
  }

 private:
  std::function<void()> end_;
};

class Room {
 public:
  Room(std::string name, const RoomSettings& settings);
  ~Room();

  const std::string& name() const { return name_; }
  const RoomSettings& settings() const;
  VoiceInput& voice() { return voice_; }
  // Throws fastsag::Error when all readers of the timeline are taken.
  std::unique_ptr<RoomOutput> open_output(const OutputSettings& settings = {});
  CommandPort command_port() const { return CommandPort(state_); }
  Subscription subscribe(std::function<void(const WindowEvent&)> listener);
  RoomStatus status() const;
  // The last plan written, or null.
  std::shared_ptr<const model::Plan> plan() const;

  RoomState& state() { return *state_; }  // the engine's

 private:
  std::string name_;
  std::shared_ptr<RoomState> state_;
  VoiceInput voice_;
};

}  // namespace fastsag::daemon
