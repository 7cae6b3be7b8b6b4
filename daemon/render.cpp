#include "daemon/render.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "daemon/engine.h"
#include "daemon/plan_file.h"
#include "daemon/sound_file.h"
#include "dsp/limiter.h"
#include "dsp/meter.h"
#include "dsp/resampler.h"

namespace fastsag::daemon {
namespace {

// Allowed for a window in place of measuring: delay and lead, and with them every byte, depend on it.
constexpr double kAssumedGeneration_s = 0.15;
constexpr double kBlock_s = 0.02;

// Time is what was sung.
class VoiceClock final : public Clock {
 public:
  Nanoseconds now() const override { return now_; }
  void sleep_for(Nanoseconds) override {}
  void set(int64_t samples, int sample_rate) { now_ = Nanoseconds(samples * 1'000'000'000 / sample_rate); }

 private:
  Nanoseconds now_{0};
};

bool suits_timeline(int sample_rate) { return sample_rate >= 16000 && sample_rate <= 96000 && sample_rate % 50 == 0; }

// The files that are written, cut to the voice's length.
class Sinks {
 public:
  Sinks(const RenderOptions& options, int sample_rate)
      : mix_(options.mix, sample_rate),
        limiter_(sample_rate),
        voice_loudness_(sample_rate),
        loudness_(sample_rate),
        joins_(sample_rate) {
    if (!options.accompaniment.empty()) accompaniment_.emplace(options.accompaniment, sample_rate);
  }

  void write(std::span<const float> voice, std::span<const float> accompaniment) {
    voice_loudness_.add(voice);
    loudness_.add(accompaniment);
    joins_.add(accompaniment);
    if (accompaniment_) accompaniment_->write(accompaniment);
    std::vector<float> mix(voice.begin(), voice.end());
    for (size_t i = 0; i < mix.size(); ++i) mix[i] += accompaniment[i];
    write_mix(mix);
  }
  void finish() {
    std::vector<float> rest(static_cast<size_t>(limiter_.latency_samples()));
    write_mix(rest);
    mix_.finish();
    if (accompaniment_) accompaniment_->finish();
  }
  void join(int64_t position) { joins_.join(position); }
  JoinFigure joins() { return joins_.figure(); }
  double voice_lufs() const { return voice_loudness_.integrated_lufs(); }
  double accompaniment_lufs() const { return loudness_.integrated_lufs(); }

 private:
  void write_mix(std::vector<float>& mix) {
    limiter_.process(mix);
    const auto late = std::min(std::ssize(mix), limiter_.latency_samples() - skipped_);
    skipped_ += late;
    mix_.write(std::span(mix).subspan(static_cast<size_t>(late)));
  }

  SoundWriter mix_;
  std::optional<SoundWriter> accompaniment_;
  dsp::Limiter limiter_;
  int64_t skipped_ = 0;
  dsp::LoudnessMeter voice_loudness_, loudness_;
  JoinMeter joins_;
};

// The accompaniment in order from song position 0, each sample beside its voice.
class Collector {
 public:
  // Before the first voice: then the first sample out is song position 0 in both modes.
  Collector(Room& room, Sinks& sinks, int64_t length) : output_(room.open_output()), sinks_(sinks), length_(length) {
    output_->available();
  }

  // `voice` is what was sung since the last call.
  void take(std::span<const float> voice) {
    voice_.insert(voice_.end(), voice.begin(), voice.end());
    while (const int64_t count = std::min({output_->available(), std::ssize(block_), length_ - written_})) {
      const auto out = std::span(block_).first(static_cast<size_t>(count));
      output_->read(out);
      sinks_.write(std::span(voice_).first(out.size()), out);
      voice_.erase(voice_.begin(), voice_.begin() + count);
      written_ += count;
    }
  }
  bool complete() const { return written_ == length_; }

 private:
  std::unique_ptr<RoomOutput> output_;
  Sinks& sinks_;
  const int64_t length_;
  int64_t written_ = 0;
  std::vector<float> voice_;  // sung, not yet mixed
  std::vector<float> block_ = std::vector<float>(1024);
};

}  // namespace

RenderReport render(model::Accompanist& accompanist, const RenderOptions& options) {
  const auto wall_begin = std::chrono::steady_clock::now();
  const auto wall_s = [](auto since) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
  };
  SoundReader reader(options.voice);
  RoomSettings settings = options.room;
  const bool same_rate = suits_timeline(reader.sample_rate());
  settings.sample_rate = same_rate ? reader.sample_rate() : 48000;
  const double ratio = static_cast<double>(settings.sample_rate) / reader.sample_rate();
  const int64_t length = std::llround(static_cast<double>(reader.samples()) * ratio);
  std::optional<dsp::Resampler> resampler;
  if (!same_rate) resampler.emplace(reader.sample_rate(), settings.sample_rate);

  VoiceClock clock;
  Engine engine(accompanist, clock, {.max_batch = 1, .max_rooms = 1, .assumed_generation_s = kAssumedGeneration_s});
  engine.prepare();
  const auto room = engine.open_room("render", settings);
  if (options.temperature) room->command_port().send(SetTemperature{*options.temperature});
  if (options.density) room->command_port().send(SetDensity{*options.density});
  if (options.loudness) room->command_port().send(SetLoudness{*options.loudness});
  if (options.key) room->command_port().send(SetKey{options.key});
  if (options.chart) room->command_port().send(SetChart{options.chart});
  if (options.style != model::Ensemble::piano) room->command_port().send(SetStyle{options.style});
  if (options.bpm) {
    model::Pulse pulse{60.0 * model::kSampleRate / *options.bpm, 0, 0, 0, 1};
    room->command_port().send(SetPulse{pulse});
  }
  PlanCollector plans;
  Sinks sinks(options, settings.sample_rate);
  RenderReport report;
  const Subscription subscription = room->subscribe([&](const WindowEvent& event) {
    plans.add(event);
    sinks.join(event.slice_begin * settings.sample_rate / model::kSampleRate);
    report.join_s.push_back(static_cast<double>(event.slice_begin) / model::kSampleRate);
  });
  Collector collector(*room, sinks, length);

  std::vector<float> in(static_cast<size_t>(std::lround(kBlock_s * reader.sample_rate()))), block;
  int64_t sung = 0;
  while (!collector.complete()) {
    const size_t got = reader.read(in);
    const auto heard = std::span(in).first(got);
    block.clear();
    if (!resampler)
      block.assign(heard.begin(), heard.end());
    else if (got > 0)
      resampler->process(heard, block);
    else if (resampler->consumed() > 0)
      resampler->flush(block);
    // After the end the delay still has to pass.
    if (got == 0 && block.empty())
      block.assign(static_cast<size_t>(std::lround(kBlock_s * settings.sample_rate)), 0.0f);
    room->voice().push(block);
    sung += std::ssize(block);
    clock.set(sung, settings.sample_rate);
    const auto begin = std::chrono::steady_clock::now();
    if (engine.step() > 0) report.window_s.push_back(wall_s(begin));
    collector.take(block);
    if (options.progress) options.progress(std::min(1.0, static_cast<double>(sung) / static_cast<double>(length)));
  }
  sinks.finish();
  if (!options.plan.empty()) plans.write(options.plan);
  report.voice_s = static_cast<double>(reader.samples()) / reader.sample_rate();
  report.wall_s = wall_s(wall_begin);
  report.room = room->status();
  report.voice_lufs = sinks.voice_lufs();
  report.joins = sinks.joins();
  report.accompaniment_lufs = sinks.accompaniment_lufs();
  return report;
}

}  // namespace fastsag::daemon
