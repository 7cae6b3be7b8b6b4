#pragma once
// Where the voice is between two blocks of it: the head of a room moves in steps, a MIDI tick or a note wants the
// moment.
//
// A block is there a little late, never early: the line of time on which the earliest blocks of the last half second or
// second lie is the voice's.
// Threads: one thread an object. Units: song positions and seconds at the room's rate.
#include <cstdint>
#include <optional>

#include "daemon/clock.h"

namespace fastsag::daemon {

class HeadFollower {
 public:
  explicit HeadFollower(int sample_rate) : rate_(sample_rate) {}

  // Often: every few milliseconds.
  void observe(Nanoseconds now, int64_t head);
  // The position of the sample that is recorded at `time`, which is about now. Stands still when the voice does.
  double at(Nanoseconds time) const;

 private:
  static constexpr Nanoseconds kMemory = std::chrono::milliseconds(500);
  static constexpr Nanoseconds kStill = std::chrono::milliseconds(300);  // longer than any block

  double rate_;
  int64_t head_ = 0;
  std::optional<Nanoseconds> moved_;  // none: it has not moved lately
  std::optional<double> earliest_,
      earliest_before_;  // head less time, the greatest of this and of the last half second
  Nanoseconds since_{0};
};

}  // namespace fastsag::daemon
