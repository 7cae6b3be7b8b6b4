#include "daemon/room_output.h"

#include <algorithm>
#include <cmath>

#include "daemon/room_state.h"
#include "dsp/limiter.h"

namespace fastsag::daemon {
namespace {

constexpr float kMakeUpDb = 0;  // brings the model's level beside a sung voice
constexpr double kGainRampSeconds = 0.01;
constexpr double kToleranceSeconds =
    0.1;  // play() lets a network singer's jitter be; a change of delay it follows at once

float amplitude(float db) { return std::pow(10.0f, db / 20); }

}  // namespace

struct RoomOutput::Impl {
  // What an output follows at once; the timeline smooths the jump.
  struct Course {
    uint32_t song = 0;
    Mode mode = Mode::delayed;
    int64_t delay = 0;
    bool operator==(const Course&) const = default;
  };

  Impl(std::shared_ptr<RoomState> room, const OutputSettings& output)
      : state(std::move(room)),
        settings(output),
        reader(state->timeline.add_reader()),
        counters(state->outputs[static_cast<size_t>(reader)]),
        limiter(state->settings.sample_rate),
        meter(state->settings.sample_rate),
        ramp(1 - std::exp(-1 / static_cast<float>(kGainRampSeconds * state->settings.sample_rate))),
        latency(settings.gain ? limiter.latency_samples() : 0),
        gain(target_gain()) {
    counters.ahead.store(settings.ahead, std::memory_order_relaxed);
    counters.taken.store(true, std::memory_order_relaxed);
    followed = course();
    jump(std::max(due(followed), song.begin));
  }
  ~Impl() {
    counters.ahead.store(0, std::memory_order_relaxed);
    counters.taken.store(false, std::memory_order_relaxed);
    state->timeline.remove_reader(reader);
  }

  float target_gain() const {
    if (state->mute.load(std::memory_order_relaxed)) return 0;
    return amplitude(kMakeUpDb + state->gain_db.load(std::memory_order_relaxed));
  }

  Course course() {
    song = state->song();
    const Mode mode = state->mode.load(std::memory_order_relaxed);
    return {song.number, mode, mode == Mode::live ? 0 : state->delay.load(std::memory_order_relaxed)};
  }

  // Room position up to which `course` wants the accompaniment heard by now.
  int64_t due(const Course& now) const {
    const int64_t head = state->voice.end();
    return now.mode == Mode::live ? head + settings.ahead : head - now.delay;
  }

  int64_t position() const { return fed - latency; }  // of the next sample that leaves the limiter

  // What the limiter holds back is read in advance, so that the first sample out is the first that was asked for. Only
  // now: a reader that has passed a position keeps slices from it.
  void prime() {
    primed = true;
    fed -= latency;
    float unheard;
    for (int64_t i = 0; i < latency; ++i) produce({&unheard, 1});
  }
  void jump(int64_t position) { fed = position + latency; }

  dsp::Timeline::Read produce(std::span<float> out) {
    const auto read = state->timeline.read(reader, fed, out);
    fed += std::ssize(out);
    if (!settings.gain) return read;
    const float target = target_gain();
    for (float& sample : out) sample *= gain += ramp * (target - gain);
    limiter.process(out);
    return read;
  }

  OutputRead produce_counted(std::span<float> out) {
    if (!primed) prime();
    const int64_t begin = position();
    const bool counts =
        !state->idle.load(std::memory_order_relaxed) && fed >= state->expected_from.load(std::memory_order_relaxed);
    const auto read = produce(out);
    meter.add(out);
    counters.level_db.store(static_cast<float>(meter.rms_db()), std::memory_order_relaxed);
    OutputRead result{begin - song.origin, counts ? read.stale : 0, counts ? read.gap : 0};
    count(counters.stale, counters.stale_samples, result.stale, in_stale);
    count(counters.gaps, counters.gap_samples, result.gap, in_gap);
    counters.played_samples.fetch_add(std::ssize(out), std::memory_order_relaxed);
    return result;
  }

  static void count(std::atomic<int64_t>& times, std::atomic<int64_t>& samples, int64_t now, bool& before) {
    if (now > 0 && !before) times.fetch_add(1, std::memory_order_relaxed);
    samples.fetch_add(now, std::memory_order_relaxed);
    before = now > 0;
  }

  const std::shared_ptr<RoomState> state;
  const OutputSettings settings;
  const int reader;
  OutputCounters& counters;
  dsp::Limiter limiter;
  dsp::LevelMeter meter;
  const float ramp;
  const int64_t latency;
  float gain;
  Song song;
  Course followed;
  int64_t fed = 0;  // room position of the next sample out of the timeline
  bool primed = false, in_stale = false, in_gap = false;
};

RoomOutput::RoomOutput(std::shared_ptr<RoomState> state, const OutputSettings& settings)
    : impl_(std::make_unique<Impl>(std::move(state), settings)) {}
RoomOutput::~RoomOutput() = default;

int64_t RoomOutput::available() {
  Impl& impl = *impl_;
  const auto now = impl.course();
  const int64_t due = impl.due(now);
  if (now.song != impl.followed.song) {
    // A stream has a new song from its beginning, however much of it came at once.
    impl.jump(now.mode == Mode::live ? std::max(due, impl.song.begin) : impl.song.begin);
  } else if (now.mode == Mode::live && impl.followed.mode != Mode::live && due > impl.position()) {
    impl.jump(due);  // else it would have to catch up; the other way it waits until the delay has passed
  }
  impl.followed = now;
  return std::max<int64_t>(0, due - impl.position());
}

OutputRead RoomOutput::read(std::span<float> out) { return impl_->produce_counted(out); }

OutputRead RoomOutput::play(std::span<float> out) {
  Impl& impl = *impl_;
  const auto now = impl.course();
  const int64_t begin = impl.due(now) - std::ssize(out);
  const auto tolerance = static_cast<int64_t>(kToleranceSeconds * impl.state->settings.sample_rate);
  if (!impl.primed || now != impl.followed || std::abs(begin - impl.position()) > tolerance) impl.jump(begin);
  impl.followed = now;
  return impl.produce_counted(out);
}

bool RoomOutput::read_voice(const OutputRead& at, std::span<float> out) {
  const auto read = impl_->state->voice.read(at.first_sample + impl_->song.origin, out);
  return read.missing_old == 0 && read.missing_new == 0;
}

}  // namespace fastsag::daemon
