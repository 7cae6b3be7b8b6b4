#include "daemon/midi_room.h"

#include <cmath>

namespace fastsag::daemon {
namespace {

constexpr uint8_t kSongPosition = 0xf2, kTick = 0xf8, kStart = 0xfa, kContinue = 0xfb, kStop = 0xfc;
constexpr uint8_t kController = 0xb0, kAllNotesOff = 123;

}  // namespace

MidiRoom::MidiRoom(std::shared_ptr<Room> room, const MidiConfig& config, const AudioLatency& latency)
    : room_(std::move(room)),
      latency_(latency),
      to_model_(static_cast<double>(model::kSampleRate) / room_->settings().sample_rate),
      commands_(room_->command_port()),
      config_(config),
      mapper_(config.map),
      head_(room_->settings().sample_rate),
      inbox_(std::make_shared<Inbox>()) {
  const RoomStatus status = room_->status();
  song_ = status.song;
  mode_ = status.mode;
  subscription_ = room_->subscribe([inbox = inbox_](const WindowEvent& event) {
    const std::scoped_lock lock(inbox->mutex);
    inbox->events.push_back(event);
  });
}

void MidiRoom::reload(const MidiConfig& config) {
  if (config.map != config_.map) mapper_ = MidiMapper(config.map);
  config_.map = config.map;
  config_.clock = config.clock;
}

double MidiRoom::sung_at(Nanoseconds time) const {
  return to_model_ * head_.at(time) + latency_.input_s * model::kSampleRate;
}

double MidiRoom::heard_at(Nanoseconds time, const RoomStatus& status) const {
  if (status.mode == Mode::live) return sung_at(time);
  return to_model_ * head_.at(time) - (status.delay_ms / 1000 + latency_.output_s) * model::kSampleRate;
}

void MidiRoom::receive(Nanoseconds when, std::span<const uint8_t> message) {
  if (message.empty()) return;
  const double position = sung_at(when);
  switch (message[0]) {
    case kTick:
      clock_.tick(position);
      break;
    case kStart:
      clock_.start();
      break;
    case kContinue:
      clock_.resume();
      break;
    case kStop:
      clock_.stop();
      break;
    case kSongPosition:
      if (message.size() == 3) clock_.song_position(message[1] | message[2] << 7);
      break;
    default:
      for (const MidiPress& found : mapper_.presses(message)) press(found, position);
  }
}

void MidiRoom::press(const MidiPress& press, double position) {
  const RoomStatus status = room_->status();
  switch (press.action) {
    case MidiAction::mute:
      commands_.send(SetMute{!status.muted});
      break;
    case MidiAction::level:
      commands_.send(SetGain{level_db(press.value)});
      break;
    case MidiAction::next_seed:
      commands_.send(NextSeed{});
      break;
    case MidiAction::mode:
      commands_.send(SetMode{status.mode == Mode::live ? Mode::delayed : Mode::live});
      break;
    case MidiAction::tap:
      taps_.tap(position);
      if (config_.clock) clock_.align(position);
      break;
  }
}

void MidiRoom::step(Nanoseconds now, std::vector<MidiMessage>& out) {
  const RoomStatus status = room_->status();
  head_.observe(now, status.voice_head);
  follow(now, status, out);
  const size_t before = out.size();
  score_.play(std::llround(heard_at(now, status)), status.muted, out);
  for (size_t i = before; i < out.size(); ++i) used_channels_ |= static_cast<uint16_t>(1 << (out[i][0] & 0x0f));
  send_pulse(sung_at(now));
}

// Positions of another song or mode do not compare: what sounds is released, what was planned is forgotten.
void MidiRoom::follow(Nanoseconds now, const RoomStatus& status, std::vector<MidiMessage>& out) {
  if (status.song != song_) {
    clock_.forget_positions();
    taps_.forget_positions();
    sent_.reset();
    commands_.send(SetPulse{std::nullopt});
    head_ = HeadFollower(room_->settings().sample_rate);
    head_.observe(now, status.voice_head);
  }
  if (status.song != song_ || status.mode != mode_) score_.stop(out);
  song_ = status.song;
  mode_ = status.mode;
  std::vector<WindowEvent> events;
  {
    const std::scoped_lock lock(inbox_->mutex);
    events.swap(inbox_->events);
  }
  for (const WindowEvent& event : events)
    if (event.plan && event.song == song_ && event.mode == mode_) score_.plan(*event.plan, event.slice_begin);
}

// The clock's where it runs, else the finger's. Said again only where somebody would hear the difference.
void MidiRoom::send_pulse(double now) {
  const bool from_clock = config_.clock && clock_.running();
  const auto pulse = from_clock ? clock_.pulse(now) : taps_.pulse();
  const bool changed = pulse.has_value() != sent_.has_value() || (pulse && differ(*sent_, *pulse, now));
  if (!changed || !commands_.send(SetPulse{pulse})) return;
  sent_ = pulse;
}

void MidiRoom::stop(std::vector<MidiMessage>& out) {
  score_.stop(out);
  for (int channel = 0; channel < 16; ++channel)
    if (used_channels_ >> channel & 1) out.push_back({static_cast<uint8_t>(kController | channel), kAllNotesOff, 0});
}

}  // namespace fastsag::daemon
