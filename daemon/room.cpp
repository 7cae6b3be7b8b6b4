#include "daemon/room.h"

#include <algorithm>

#include "daemon/room_state.h"

namespace fastsag::daemon {

Room::Room(std::string name, const RoomSettings& settings)
    : name_(std::move(name)), state_(std::make_shared<RoomState>(settings)), voice_(state_) {}
Room::~Room() = default;

const RoomSettings& Room::settings() const { return state_->settings; }

std::unique_ptr<RoomOutput> Room::open_output(const OutputSettings& settings) {
  return std::make_unique<RoomOutput>(state_, settings);
}

Subscription Room::subscribe(std::function<void(const WindowEvent&)> listener) {
  const std::scoped_lock lock(state_->mutex);
  const uint64_t id = state_->next_listener++;
  state_->listeners.emplace_back(id, std::move(listener));
  return Subscription([id, weak = std::weak_ptr(state_)] {
    const auto state = weak.lock();
    if (!state) return;
    const std::scoped_lock unsubscribe(state->mutex);
    std::erase_if(state->listeners, [id](const auto& entry) { return entry.first == id; });
  });
}

std::shared_ptr<const model::Plan> Room::plan() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->plan;
}

RoomStatus Room::status() const {
  const RoomState& state = *state_;
  RoomStatus status;
  const double to_ms = 1000.0 / state.settings.sample_rate;
  const Song song = state.song();
  status.mode = state.mode;
  status.sample_rate = state.settings.sample_rate;
  status.song = song.number;
  status.idle = state.idle;
  status.muted = state.mute;
  status.seed = state.seed;
  status.style = state.style;
  status.gain_db = state.gain_db;
  status.voice_head = state.voice.end() - song.origin;
  if (status.mode == Mode::delayed) status.delay_ms = static_cast<double>(state.delay) * to_ms;
  if (status.mode == Mode::live) status.lead_ms = static_cast<double>(state.lead) * to_ms;
  status.windows = state.windows;
  status.dropped = state.dropped;
  status.errors = state.errors;
  status.overruns = state.overruns;
  status.lost_samples = state.lost_samples;
  status.restarts = state.restarts;
  for (const auto& output : state.outputs) {
    status.stale = std::max(status.stale, output.stale.load());
    status.gaps = std::max(status.gaps, output.gaps.load());
    status.stale_samples = std::max(status.stale_samples, output.stale_samples.load());
    status.gap_samples = std::max(status.gap_samples, output.gap_samples.load());
    status.played_samples = std::max(status.played_samples, output.played_samples.load());
    if (output.taken) status.level_db = std::max(status.level_db, output.level_db.load());
  }
  status.voice_level_db = static_cast<float>(state.voice_level.rms_db());
  return status;
}

}  // namespace fastsag::daemon
