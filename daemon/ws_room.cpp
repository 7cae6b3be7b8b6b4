#include "daemon/ws_room.h"

#include <cmath>

#include "dsp/error.h"
#include "model/chord_reader.h"
#include "protocol/frame.h"

namespace fastsag::daemon {

WsRoom::WsRoom(std::shared_ptr<Room> engine_room, double hop_seconds, bool is_ours)
    : room(std::move(engine_room)),
      hop_s(hop_seconds),
      ours(is_ours),
      commands(room->command_port()),
      output(room->open_output({.ahead = std::llround(kAheadS * room->settings().sample_rate)})),
      block_(static_cast<size_t>(room->settings().sample_rate) * kFrameMs / 1000) {}

void WsRoom::apply(const protocol::Start& start) {
  if (start.mode) commands.send(SetMode{*start.mode});
  if (start.seed) commands.send(SetSeed{*start.seed});
  room->voice().restart(0);
}

std::optional<protocol::Fault> WsRoom::apply(const protocol::Set& set) {
  static_assert(protocol::kMaxChartBytes == model::Chart::kMostBytes);
  if (!has_plan && (set.temperature || set.density || set.loudness || set.key || set.chart))
    return protocol::Fault{"bad_value", "preset " + preset + " " + std::string(model::kNeedsPlan)};
  SetKey key;
  SetChart chart;
  if (set.key && !set.key->empty() && !(key.key = model::read_key(*set.key)))
    return protocol::Fault{"bad_value",
                           "\"key\" must be " + std::string(model::kKeysAre) + ", found \"" + *set.key + "\""};
  try {
    if (set.chart && !set.chart->empty())
      chart.chart = std::make_shared<const model::Chart>(model::read_chart(*set.chart));
  } catch (const Error& error) {
    return protocol::Fault{"bad_value", error.what()};
  }
  if (set.key) commands.send(key);
  if (set.chart) commands.send(chart);
  if (set.mode) commands.send(SetMode{*set.mode});
  if (set.seed) commands.send(SetSeed{*set.seed});
  if (set.accompaniment_gain_db) commands.send(SetGain{static_cast<float>(*set.accompaniment_gain_db)});
  if (set.mute) commands.send(SetMute{*set.mute});
  if (set.temperature) commands.send(SetTemperature{static_cast<float>(*set.temperature)});
  if (set.density) commands.send(SetDensity{static_cast<float>(*set.density)});
  if (set.loudness) commands.send(SetLoudness{static_cast<float>(*set.loudness)});
  if (const auto style = set.style ? model::ensemble_of(*set.style) : std::nullopt) commands.send(SetStyle{*style});
  if (set.tempo_bpm || set.beat_sample) {
    if (set.tempo_bpm) pulse_.period = *set.tempo_bpm > 0 ? 60.0 * model::kSampleRate / *set.tempo_bpm : 0;
    if (set.beat_sample)
      pulse_.origin = static_cast<double>(*set.beat_sample) * model::kSampleRate / room->settings().sample_rate;
    pulse_.confidence = 1;
    commands.send(SetPulse{pulse_.period > 0 ? std::optional(pulse_) : std::nullopt});
  }
  return std::nullopt;
}

void WsRoom::publish(Transport& transport) {
  while (output->available() >= std::ssize(block_)) {
    const OutputRead read = output->read(block_);
    const auto bytes = protocol::encode_pcm({.kind = protocol::Kind::accompaniment,
                                             .sample_rate = static_cast<uint32_t>(room->settings().sample_rate),
                                             .first_sample = read.first_sample,
                                             .sequence = sequence++},
                                            block_);
    const auto frame = std::make_shared<const std::string>(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (const auto& [id, session] : sessions) session->queue(frame);
  }
  for (const auto& [id, session] : sessions) session->flush(transport);
}

void WsRoom::send_all(Transport& transport, const std::string& text) const {
  for (const auto& [id, session] : sessions) transport.send_text(id, text);
}

protocol::Hello WsRoom::hello() const {
  return {.room = room->name(),
          .mode = room->status().mode,
          .sample_rate = static_cast<uint32_t>(room->settings().sample_rate),
          .window_s = 10,
          .hop_s = hop_s,
          .preset = preset,
          .styles = styles,
          .style = std::string(model::name_of(room->status().style))};
}

protocol::Status WsRoom::status(const EngineStatus& engine) const {
  const RoomStatus now = room->status();
  protocol::Status status{.mode = now.mode,
                          .lead_ms = now.lead_ms,
                          .delay_ms = now.delay_ms,
                          .generate_p95_ms = engine.generate_p95_ms,
                          .windows = now.windows,
                          .stale = now.stale,
                          .gaps = now.gaps,
                          .dropped = now.dropped,
                          .level_db = now.voice_level_db,
                          .accompaniment_level_db = now.level_db,
                          .voice_sample = now.voice_head,
                          .preset = engine.preset,
                          .device = engine.device.device,
                          .eager = engine.device.eager,
                          .fallbacks = engine.device.fallbacks,
                          .notice = notice_of(engine)};
  for (const auto& [id, session] : sessions) {
    status.lost_frames += session->lost_frames;
    status.listeners += session->role == Role::listener;
  }
  return status;
}

protocol::PlanMessage WsRoom::plan_message(const model::Plan& plan) const {
  const double rate = static_cast<double>(room->settings().sample_rate) / model::kSampleRate;
  const auto position = [rate](auto samples) { return std::llround(static_cast<double>(samples) * rate); };
  protocol::PlanMessage message{.key = plan.key ? model::chord_name(*plan.key) : "",
                                .tempo_bpm = plan.pulse.tempo_bpm(),
                                .beat_sample = position(plan.pulse.origin)};
  for (const model::Chord& c : plan.chords)
    message.chords.push_back({position(c.from), model::chord_name(c), static_cast<double>(c.confidence)});
  for (const model::Note& n : plan.notes)
    message.notes.push_back({position(n.onset), position(n.release - n.onset), n.pitch, n.velocity, n.channel});
  return message;
}

}  // namespace fastsag::daemon
