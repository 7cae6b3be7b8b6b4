#include "daemon/audio_loop.h"

#include <time.h>

#include <algorithm>
#include <cmath>

#include "daemon/config.h"

namespace fastsag::daemon {
namespace {

constexpr size_t kChunk = 8192;   // of one play(); larger blocks are cut
constexpr double kRamp_s = 0.01;  // of the monitor's gain
constexpr float kFade_s = 0.02f;
constexpr double kLongestLoss_s = 10;  // more than that is a clock that jumped

// Of this thread, so that a callback that others keep from running is not taken for one that works too long.
int64_t worked_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

float monitor_gain(float db) { return db <= AudioConfig::kOffDb ? 0.0f : std::pow(10.0f, db / 20); }

}  // namespace

AudioLoop::AudioLoop(VoiceInput& voice, std::unique_ptr<RoomOutput> output, int sample_rate, float monitor_db)
    : voice_(voice),
      output_(std::move(output)),
      limiter_(sample_rate),
      sample_rate_(sample_rate),
      ramp_(1 - std::exp(-1 / static_cast<float>(kRamp_s * sample_rate))),
      mono_(kChunk),
      monitor_target_(monitor_gain(monitor_db)) {}

void AudioLoop::set_monitor_db(float db) { monitor_target_.store(monitor_gain(db), std::memory_order_relaxed); }

AudioStatus AudioLoop::status() const {
  return {blocks_, xruns_, lost_samples_, static_cast<double>(longest_ns_) * 1e-6};
}

void AudioLoop::process(const AudioBlock& block) {
  const int64_t begin_ns = worked_ns();
  // Counted once where the card recorded nothing and played nothing, which is one fault.
  if (block.input_lost || block.output_lost) xruns_.fetch_add(1, std::memory_order_relaxed);
  if (!block.input.empty()) listen(block);
  const auto channels = static_cast<size_t>(block.channels);
  const size_t frames = block.output.size() / channels;
  for (size_t at = 0; at < frames; at += kChunk) {
    const size_t count = std::min(kChunk, frames - at);
    const auto input = block.input.empty() ? block.input : block.input.subspan(at, count);
    play(input, block.output.subspan(at * channels, count * channels), block.channels);
  }
  blocks_.fetch_add(1, std::memory_order_relaxed);
  const int64_t took_ns = worked_ns() - begin_ns;
  if (took_ns > longest_ns_.load(std::memory_order_relaxed)) longest_ns_.store(took_ns, std::memory_order_relaxed);
}

void AudioLoop::listen(const AudioBlock& block) {
  if (block.input_lost && block.input_time_s && expected_input_s_) {
    const double lost_s = std::clamp(*block.input_time_s - *expected_input_s_, 0.0, kLongestLoss_s);
    const int64_t lost = std::llround(lost_s * sample_rate_);
    if (lost > 0) voice_.push_lost(lost);
    lost_samples_.fetch_add(lost, std::memory_order_relaxed);
  }
  expected_input_s_ = block.input_time_s;
  if (expected_input_s_) *expected_input_s_ += static_cast<double>(block.input.size()) / sample_rate_;
  voice_.push(block.input);
}

void AudioLoop::play(std::span<const float> input, std::span<float> output, int channels) {
  const size_t frames = output.size() / static_cast<size_t>(channels);
  const std::span mono = std::span(mono_).first(frames);
  if (output_)
    output_->play(mono);
  else
    std::ranges::fill(mono, 0.0f);
  const float target = monitor_target_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < frames; ++i) {
    monitor_ += ramp_ * (target - monitor_);
    if (!input.empty()) mono[i] += monitor_ * input[i];
  }
  limiter_.process(mono);
  const bool fading = fading_.load(std::memory_order_relaxed);
  const float fade_step = fading ? 1 / (kFade_s * static_cast<float>(sample_rate_)) : 0;
  size_t at = 0;
  for (const float sample : mono) {
    fade_ = std::max(0.0f, fade_ - fade_step);
    for (int channel = 0; channel < channels; ++channel) output[at++] = fade_ * sample;
  }
  if (fading && fade_ <= 0) silent_.store(true, std::memory_order_relaxed);
}

}  // namespace fastsag::daemon
