#include "tests/support/fake_accompanist.h"

#include <cmath>
#include <numbers>

#include "dsp/error.h"

namespace fastsag::test {

float FakeAccompanist::tone(int64_t position) {
  const auto cycle = static_cast<float>(position * 440 % model::kSampleRate) / model::kSampleRate;
  return 0.25f * std::sin(2 * std::numbers::pi_v<float> * cycle);
}

std::vector<FakeAccompanist::Seen> FakeAccompanist::seen() const {
  const std::scoped_lock lock(mutex_);
  return seen_;
}

void FakeAccompanist::generate(std::span<const model::WindowRequest> requests, std::span<model::WindowResult> results) {
  if (on_generate) on_generate();
  if (clock_ && duration_ns_ > 0) clock_->advance(daemon::Nanoseconds(duration_ns_));
  if (fails_) throw Error("the fake model was told to fail");
  if (std::ssize(requests) > max_batch_) throw Error("more windows than prepare() was told");
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto& request = requests[i];
    const int64_t voice_begin = request.voice_end - std::ssize(request.voice);
    auto& result = results[i];
    for (int64_t p = request.write_begin; p < request.write_end; ++p) {
      const bool heard = p >= voice_begin && p < request.voice_end;
      const float echo = heard ? request.voice[static_cast<size_t>(p - voice_begin)] : 0.0f;
      result.audio.push_back(sound_ == Sound::tone ? tone(p) : echo);
    }
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
                     request.controls});
  }
}

}  // namespace fastsag::test
