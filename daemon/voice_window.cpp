#include "daemon/voice_window.h"

#include <algorithm>

#include "daemon/window_schedule.h"
#include "model/plan.h"

namespace fastsag::daemon {

constexpr int64_t kBlock = 4096;  // samples

VoiceWindow::VoiceWindow(RoomState& room, int64_t window_samples)
    : room_(room), window_samples_(window_samples), resampler_(room.settings.sample_rate, model::kSampleRate) {
  window_.reserve(static_cast<size_t>(2 * window_samples) + 8192);
  start(room.song());
}

void VoiceWindow::start(const Song& song) {
  // From a whole 20 ms on, so that positions are whole samples at both rates.
  taken_ = song.origin + grid_floor(song.begin - song.origin, room_.grid());
  begin_ = (taken_ - song.origin) / room_.grid() * WindowSchedule::kGrid;
  window_.clear();
  resampler_.reset();
  taken_samples_.assign(static_cast<size_t>(song.begin - taken_), 0.0f);
  taken_ = song.begin;
}

void VoiceWindow::update() {
  const int64_t end = room_.voice.end();
  while (taken_ < end) {
    const auto count = static_cast<size_t>(std::min(end - taken_, kBlock));
    taken_samples_.resize(taken_samples_.size() + count);
    const auto block = std::span(taken_samples_).last(count);
    if (room_.voice.read(taken_, block).missing_old > 0) room_.overruns.fetch_add(1, std::memory_order_relaxed);
    taken_ += std::ssize(block);
    if (std::ssize(taken_samples_) >= room_.settings.sample_rate) convert();  // a window may be long in coming
  }
}

int64_t VoiceWindow::end() const {
  return begin_ + std::ssize(window_) + resampler_.known(std::ssize(taken_samples_)) - resampler_.produced();
}

void VoiceWindow::convert() {
  resampler_.process(taken_samples_, window_);
  taken_samples_.clear();
  if (std::ssize(window_) > 2 * window_samples_) {
    const auto old = std::ssize(window_) - window_samples_;
    window_.erase(window_.begin(), window_.begin() + old);
    begin_ += old;
  }
}

std::span<const float> VoiceWindow::samples() {
  convert();
  return std::span(window_).last(static_cast<size_t>(std::min(std::ssize(window_), window_samples_)));
}

}  // namespace fastsag::daemon
