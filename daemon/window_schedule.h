#pragma once
// The arithmetic of slices: which span of the song the next window writes, and when it is due.
//
//   delayed   slice [n hop - hop, n hop), due when the voice reaches its end + context
//   live      slice [next, next + hop), due when the voice reaches next - lead
//
// A slice begins where the last one ended, unless that can no longer be in time: then it begins where it can, and the
// reserve of the last one plays in between. A song's first slice is half as long, so that there is a plan early.
//
// Threads: one. Units: song positions at 24 kHz; all results are multiples of kGrid.
#include <cstdint>
#include <optional>

#include "daemon/mode.h"

namespace fastsag::daemon {

struct SliceSettings {
  int64_t hop = 24000;
  int64_t context = 21600;
  int64_t reserve = 36000;
};

// [begin, end) becomes final, [end, reserve_end) plays while the next one is late.
struct SliceSpan {
  int64_t begin = 0, end = 0, reserve_end = 0;
  bool operator==(const SliceSpan&) const = default;
};

class WindowSchedule {
 public:
  static constexpr int64_t kGrid = 480;  // 20 ms

  explicit WindowSchedule(const SliceSettings& settings);

  // A new song, or a voice after a silence: nothing is written before `position`.
  void start(int64_t position);

  struct Time {
    int64_t voice_end = 0;
    int64_t lead = 0;      // live: voice to slice begin, with a margin
    int64_t earliest = 0;  // a slice that begins before it comes too late
    int64_t margin = 0;    // added to `earliest` where a begin can be chosen
  };
  // The slice to write now, if one is due.
  std::optional<SliceSpan> due(Mode mode, const Time& time) const;
  // How long ago, in voice, that slice became due.
  int64_t overdue(Mode mode, const Time& time, const SliceSpan& slice) const;
  // It was written, or tried: the next one begins at its end.
  void advance(const SliceSpan& slice);

 private:
  std::optional<int64_t> delayed_end(int64_t voice_end) const;

  SliceSettings settings_;
  int64_t start_ = 0;
  int64_t next_ = 0;
  bool first_ = true;
};

int64_t grid_floor(int64_t value, int64_t grid);
int64_t grid_ceil(int64_t value, int64_t grid);

}  // namespace fastsag::daemon
