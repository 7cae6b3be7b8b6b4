#include "daemon/room_state.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "dsp/error.h"

namespace fastsag::daemon {
namespace {

constexpr double kVoiceSeconds = 16;     // the model hears 10 of them; the rest is time for a busy generation thread
constexpr double kTimelineSeconds = 30;  // slices are kept whole, so reserves count twice

const RoomSettings& checked(const RoomSettings& settings) {
  if (settings.sample_rate < 8000 || settings.sample_rate > 192000 || settings.sample_rate % RoomState::kGridHz != 0)
    throw Error("a room at " + std::to_string(settings.sample_rate) +
                " Hz; expected 8000 to 192000 Hz and a multiple of 50: use 48000");
  return settings;
}

int64_t samples(double seconds, int sample_rate) { return std::llround(seconds * sample_rate); }

}  // namespace

RoomState::RoomState(const RoomSettings& room_settings)
    : settings(checked(room_settings)),
      voice(samples(kVoiceSeconds, settings.sample_rate)),
      voice_level(settings.sample_rate),
      timeline(samples(kTimelineSeconds, settings.sample_rate), settings.sample_rate),
      mode(settings.mode),
      seed(settings.seed),
      style(settings.style),
      commands(256, 16, 0),
      gain_db(settings.gain_db) {}

// A sequence lock: the generation thread and outputs read the three numbers as one, the producer never waits.
Song RoomState::song() const {
  for (;;) {
    const uint32_t writes = song_writes_.load();
    const Song song{song_number_.load(), song_begin_.load(), song_origin_.load()};
    if (writes % 2 == 0 && song_writes_.load() == writes) return song;
  }
}

void RoomState::start_song(const Song& song) {
  song_writes_.fetch_add(1);
  song_number_.store(song.number);
  song_begin_.store(song.begin);
  song_origin_.store(song.origin);
  song_writes_.fetch_add(1);
}

int64_t RoomState::ahead() const {
  int64_t ahead = 0;
  for (const auto& output : outputs) ahead = std::max(ahead, output.ahead.load(std::memory_order_relaxed));
  return ahead;
}

void RoomState::publish(const WindowEvent& event) {
  const std::scoped_lock lock(mutex);
  plan = event.plan;
  for (const auto& [id, listener] : listeners) listener(event);
}

}  // namespace fastsag::daemon
