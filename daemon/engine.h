#pragma once
// Makes the accompaniment of every room: collects the rooms whose next window is due, has the model write them as one
// batch, and joins the slices to the rooms' timelines.
//
// A batch is whoever is due now, the nearest deadline first, and no more than are soonest ready together
// (Accompanist::best_batch()); nobody waits for it to fill. After each the rooms are looked at again. A deadline, once
// told, stays: so even where the model is too slow for all, each room has its turn.
//
// Threads: run() or step() on one thread, the generation thread; all else on any thread.
// Real-time: no. It never makes an audio callback wait: a late window is dropped and the timeline plays its reserve.
// Repeatable: with a clock that the voice drives and an assumed generation time, the same voice gives the same bytes.
// Errors: a window that fails costs its room that window, a model that throws all rooms of the batch theirs (counted,
// logged once a minute), and nothing else. Devices that fail: standby.h.
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/clock.h"
#include "daemon/durations.h"
#include "daemon/room.h"
#include "model/accompanist.h"

namespace fastsag::daemon {

class WindowMaker;

struct EngineSettings {
  int max_batch = 4;  // windows of one generate(), at most
  int max_rooms = 8;
  // In place of measured times, so that a run can be repeated bit for bit.
  std::optional<double> assumed_generation_s;
};

struct EngineStatus {
  int64_t windows = 0, dropped = 0, errors = 0;
  double generate_p50_ms = 0, generate_p95_ms = 0, generate_p99_ms = 0;  // of generate(), the last 256 times
  int rooms = 0;
  std::string preset;  // that plays
  model::DeviceStatus device;
};

// For a person: what is not as it was asked for, though it plays; empty: all is.
std::string notice_of(const EngineStatus& status);

struct Health {
  bool ok = true;
  std::string reason;  // for a person, where it is not
};

class Engine {
 public:
  Engine(model::Accompanist& accompanist, Clock& clock, const EngineSettings& settings = {});
  ~Engine();

  // Allocates, warms the model up, and measures it: the first lead and delay come from here. Before run() or step().
  void prepare();

  // The room of that name; made with these settings where there is none. Throws fastsag::Error past max_rooms.
  std::shared_ptr<Room> open_room(const std::string& name, const RoomSettings& settings = {});
  std::shared_ptr<Room> find_room(std::string_view name) const;
  std::vector<std::shared_ptr<Room>> rooms() const;
  void close_room(std::string_view name);

  // Until asked to stop. Lowers its thread's priority (niceness.h), so that audio and network do not wait for windows.
  void run(std::stop_token stop);
  // Everything that is due now, each room once; the number of windows made.
  int step();

  EngineStatus status() const;
  // That the model can play, by name.
  std::vector<std::string> styles() const;
  bool has_plan() const { return accompanist_.has_plan(); }
  // Not ok when a window is older than it should be.
  Health healthy() const;

 private:
  struct Seat;  // a room and what the generation thread keeps of it

  std::vector<std::shared_ptr<Seat>> seats() const;
  int best_batch() const;
  std::vector<std::shared_ptr<Seat>> find_due();  // the nearest deadline first
  void note_player();
  int generate(std::span<const std::shared_ptr<Seat>> due);
  Pace pace() const;

  model::Accompanist& accompanist_;
  Clock& clock_;
  const EngineSettings settings_;

  mutable std::mutex mutex_;  // of the next four
  std::vector<std::shared_ptr<Seat>> seats_;
  Durations durations_;  // of generate()
  Durations latencies_;  // Pace
  EngineStatus status_;

  std::vector<model::WindowResult> results_;  // of the last batch, kept for their memory; generation thread

  std::atomic<int64_t> last_step_ns_{-1};
  std::optional<Nanoseconds> noted_;  // when device_status() was asked last
  std::optional<Nanoseconds> error_logged_;
};

}  // namespace fastsag::daemon
