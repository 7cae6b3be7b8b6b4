#include "daemon/window_schedule.h"

#include <algorithm>

namespace fastsag::daemon {

int64_t grid_floor(int64_t value, int64_t grid) {
  const int64_t towards_zero = value / grid * grid;
  return towards_zero > value ? towards_zero - grid : towards_zero;
}

int64_t grid_ceil(int64_t value, int64_t grid) { return -grid_floor(-value, grid); }

WindowSchedule::WindowSchedule(const SliceSettings& settings) : settings_(settings) {
  settings_.hop = std::max(grid_ceil(settings.hop, kGrid), 2 * kGrid);
  settings_.context = grid_ceil(std::max<int64_t>(settings.context, 0), kGrid);
  // Less would not survive a lost window.
  settings_.reserve = grid_ceil(std::max(settings.reserve, settings_.hop + 6000), kGrid);
}

void WindowSchedule::start(int64_t position) {
  start_ = next_ = grid_floor(position, kGrid);
  first_ = true;
}

// End of the newest slice whose context is there: hops from the start, and half a hop for the first.
std::optional<int64_t> WindowSchedule::delayed_end(int64_t voice_end) const {
  const int64_t heard = voice_end - settings_.context - start_;
  if (heard >= settings_.hop) return start_ + grid_floor(heard, settings_.hop);
  const int64_t half = grid_floor(settings_.hop / 2, kGrid);
  if (first_ && heard >= half) return start_ + half;
  return std::nullopt;
}

std::optional<SliceSpan> WindowSchedule::due(Mode mode, const Time& time) const {
  int64_t begin = next_, end = 0;
  if (begin < time.earliest) begin = grid_ceil(time.earliest + time.margin, kGrid);
  if (mode == Mode::delayed) {
    const auto ready = delayed_end(time.voice_end);
    if (!ready || *ready <= begin) return std::nullopt;
    end = *ready;
  } else {
    if (time.voice_end < start_ + settings_.hop / 2 || next_ > time.voice_end + time.lead) return std::nullopt;
    end = begin + settings_.hop;
  }
  return SliceSpan{begin, end, end + settings_.reserve};
}

int64_t WindowSchedule::overdue(Mode mode, const Time& time, const SliceSpan& slice) const {
  const int64_t due = mode == Mode::delayed ? slice.end + settings_.context : slice.begin - time.lead;
  return std::max<int64_t>(0, time.voice_end - std::max(due, start_));
}

void WindowSchedule::advance(const SliceSpan& slice) {
  next_ = slice.end;
  first_ = false;
}

}  // namespace fastsag::daemon
