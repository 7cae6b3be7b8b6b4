#include "tests/support/fake_accompanist.h"

#include <cmath>
#include <numbers>

#include "dsp/error.h"

namespace fastsag::test {

float FakeAccompanist::tone(int64_t position, int hertz) {
  const auto cycle = static_cast<float>(position * hertz % model::kSampleRate) / model::kSampleRate;
  return 0.25f * std::sin(2 * std::numbers::pi_v<float> * cycle);
}

std::vector<FakeAccompanist::Seen> FakeAccompanist::seen() const {
  const std::scoped_lock lock(mutex_);
  return seen_;
}

void FakeAccompanist::generate(std::span<const model::WindowRequest> requests, std::span<model::WindowResult> results) {
  const auto at = clock_ ? clock_->now() : daemon::Nanoseconds(0);
  if (on_generate) on_generate();
  const int64_t duration_ns = duration_ns_ + window_ns_ * std::ssize(requests);
  if (clock_ && duration_ns > 0) clock_->advance(daemon::Nanoseconds(duration_ns));
  if (lost_) throw model::DeviceError("the fake device is lost");
  if (fails_) throw Error("the fake model was told to fail");
  if (std::ssize(requests) > max_batch_) throw Error("more windows than prepare() was told");
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto& request = requests[i];
    const int64_t voice_begin = request.voice_end - std::ssize(request.voice);
    auto& result = results[i];
    result = {};
    if (request.controls.seed == refused_) {
      result.error = "the fake model was told to refuse this room";
      continue;
    }
    for (int64_t p = request.write_begin; p < request.write_end; ++p) {
      const bool heard = p >= voice_begin && p < request.voice_end;
      const float echo = heard ? request.voice[static_cast<size_t>(p - voice_begin)] : 0.0f;
      result.audio.push_back(sound_ == Sound::tone ? tone(p) : sound_ == Sound::low ? -tone(p, 220) : echo);
    }
    if (request.controls.seed == poisoned_) result.audio[result.audio.size() / 2] = std::nanf("");
    // A note a second, those of the past kept, as the contract wants it.
    if (request.past)
      for (const auto& note : request.past->notes)
        if (note.onset < request.known_end) result.plan.notes.push_back(note);
    for (int64_t onset = (request.known_end + model::kSampleRate - 1) / model::kSampleRate * model::kSampleRate;
         onset < request.write_end; onset += model::kSampleRate)
      result.plan.notes.push_back({onset, onset + model::kSampleRate / 2, 60, 80, 0});
    const std::scoped_lock lock(mutex_);
    seen_.push_back({voice_begin,
                     request.voice_end,
                     request.write_begin,
                     request.write_end,
                     request.known_end,
                     request.played_end - std::ssize(request.played),
                     request.played_end,
                     {request.played.begin(), request.played.end()},
                     request.past ? request.past->notes.size() : 0,
                     requests.size(),
                     request.controls,
                     at});
  }
}

}  // namespace fastsag::test
