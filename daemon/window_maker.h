#pragma once
// What the generation thread keeps of one room, from its newest voice to the slice on its timeline: decides the window,
// remembers the plan and the audio that the next window continues, adapts delay and lead to the time that windows take.
//
// Threads: the generation thread. Units: song positions at 24 kHz, where not said otherwise.
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "daemon/clock.h"
#include "daemon/durations.h"
#include "daemon/room_state.h"
#include "daemon/voice_window.h"
#include "daemon/window_schedule.h"
#include "model/accompanist.h"

namespace fastsag::daemon {

class WindowMaker {
 public:
  WindowMaker(RoomState& room, int64_t window_samples, const Pace& pace);

  // Commands, new voice, and what they change.
  void update(Nanoseconds now, const Pace& pace);
  // Since when the next window has been due, had the voice come evenly; none: it is not.
  std::optional<Nanoseconds> due_since() const { return due_since_; }
  // Until the begin of that window's slice is played.
  Nanoseconds time_left() const { return time_left_; }
  // For the window that is due. It views this object: use it before the next update().
  model::WindowRequest request();
  void accept(const model::WindowResult& result);
  void failed();  // the model could not: the window is lost

 private:
  void start_song(const Song& song);
  void take_commands();
  void find_due(Nanoseconds now, const Pace& pace);
  void set_mode(Mode mode);
  void follow_delay(double latency_s, bool may_shrink);
  void update_idle(double latency_s);
  bool write(const model::WindowResult& result);
  void remember(const model::WindowResult& result);
  int64_t to_room(int64_t song_position) const;

  RoomState& room_;
  SliceSettings slices_;
  VoiceWindow voice_;
  WindowSchedule schedule_;
  Song song_;
  model::Controls controls_;
  std::shared_ptr<const model::Plan> plan_;
  std::shared_ptr<const model::RoomMemory> memory_;
  std::vector<float> written_;  // the end of what was written, with the last reserve, as it is heard
  int64_t written_end_ = 0;
  std::optional<SliceSpan> slice_;
  std::optional<Nanoseconds> due_since_;
  Nanoseconds time_left_{0};
  bool resume_ = true;  // the next slice follows a silence of ours, not a late one
};

}  // namespace fastsag::daemon
