#include "daemon/voice_input.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "daemon/room_state.h"
#include "dsp/resampler.h"

namespace fastsag::daemon {
namespace {

constexpr float kSilence = 5e-4f;       // -66 dBFS: below it nobody sings
constexpr int64_t kLongestLoss_s = 10;  // a longer jump leaves nothing of the window: a new song
constexpr int64_t kLastPosition = int64_t{1} << 53;

int64_t align_up(int64_t value, int64_t grid) {
  const int64_t below = value / grid * grid;
  return below < value ? below + grid : below;
}

}  // namespace

VoiceInput::VoiceInput(std::shared_ptr<RoomState> state) : state_(std::move(state)) {}
VoiceInput::~VoiceInput() = default;

int64_t VoiceInput::head() const { return state_->voice.end() - state_->song().origin; }

void VoiceInput::push(std::span<const float> samples) {
  std::array<float, 256> clean;
  while (!samples.empty()) {
    const size_t count = std::min(samples.size(), clean.size());
    float peak = 0;
    for (size_t i = 0; i < count; ++i) {
      clean[i] = std::isfinite(samples[i]) ? std::clamp(samples[i], -8.0f, 8.0f) : 0.0f;
      peak = std::max(peak, std::abs(clean[i]));
    }
    state_->voice.write({clean.data(), count});
    state_->voice_level.add({clean.data(), count});
    if (peak > kSilence) state_->last_heard.store(state_->voice.end(), std::memory_order_relaxed);
    samples = samples.subspan(count);
  }
}

void VoiceInput::push_lost(int64_t samples) {
  state_->lost_samples.fetch_add(samples, std::memory_order_relaxed);
  state_->voice.write_silence(samples);
}

void VoiceInput::restart(int64_t first_sample) {
  const Song old = state_->song();
  const int64_t end = state_->voice.end();
  if (end > old.begin) state_->restarts.fetch_add(1, std::memory_order_relaxed);
  const int64_t origin = align_up(end - first_sample, state_->grid());
  const int64_t begin = origin + first_sample;
  state_->voice.write_silence(begin - end);
  state_->last_heard.store(-1, std::memory_order_relaxed);
  state_->start_song({old.number + 1, begin, origin});
}

void VoiceInput::push_at(std::span<const float> samples, int sample_rate, int64_t first_sample) {
  first_sample = std::clamp<int64_t>(first_sample, 0, kLastPosition);
  const double ratio = static_cast<double>(state_->settings.sample_rate) / sample_rate;
  int64_t lost = first_sample - expected_;
  if (sample_rate != rate_ || lost < 0 || lost > kLongestLoss_s * int64_t{sample_rate}) {
    // Not worth a restart: the very first samples, from position 0.
    if (rate_ != 0 || first_sample != 0 || state_->voice.end() != state_->song().begin)
      restart(std::llround(static_cast<double>(first_sample) * ratio));
    resampler_ = sample_rate == state_->settings.sample_rate
                     ? nullptr
                     : std::make_unique<dsp::Resampler>(sample_rate, state_->settings.sample_rate);
    rate_ = sample_rate;
    lost = 0;
  }
  expected_ = first_sample + std::ssize(samples);
  if (!resampler_) {
    if (lost > 0) push_lost(lost);
    return push(samples);
  }
  resampled_.clear();
  if (lost > 0) {
    state_->lost_samples.fetch_add(std::llround(static_cast<double>(lost) * ratio), std::memory_order_relaxed);
    resampler_->process(std::vector<float>(static_cast<size_t>(lost)), resampled_);
  }
  resampled_.reserve(resampled_.size() + samples.size());
  resampler_->process(samples, resampled_);
  push(resampled_);
}

}  // namespace fastsag::daemon
