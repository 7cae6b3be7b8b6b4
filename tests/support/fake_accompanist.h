#pragma once
// A model whose answer can be told by looking at it: a tone of absolute phase, or the voice itself.
#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "model/accompanist.h"
#include "tests/support/fake_clock.h"

namespace fastsag::test {

class FakeAccompanist final : public model::Accompanist {
 public:
  enum class Sound {
    tone,  // 440 Hz at -12 dBFS, its phase a function of the position: windows agree
    echo,  // the voice at the position written; silence where it was not heard
  };
  struct Seen {  // a request, without what it views
    int64_t voice_begin, voice_end, write_begin, write_end, known_end, played_begin, played_end;
    std::vector<float> played;
    size_t past_notes, batch;
    model::Controls controls;
  };

  explicit FakeAccompanist(Sound sound = Sound::tone, FakeClock* clock = nullptr) : sound_(sound), clock_(clock) {}

  // Each generate() moves the clock by so much.
  void take(daemon::Nanoseconds duration) { duration_ns_ = duration.count(); }
  void fail(bool fails) { fails_ = fails; }
  void plan_less(bool is) { has_plan_ = !is; }
  // Called on the generation thread, before anything else.
  std::function<void()> on_generate;
  std::vector<Seen> seen() const;
  static float tone(int64_t position);

  void prepare(int max_batch) override { max_batch_ = max_batch; }
  void generate(std::span<const model::WindowRequest> requests, std::span<model::WindowResult> results) override;
  const model::Timing& last_timing() const override { return timing_; }
  int64_t window_samples() const override { return 10 * model::kSampleRate; }
  std::string_view preset() const override { return "fake"; }
  bool has_plan() const override { return has_plan_; }
  bool can_play(model::Ensemble style) const override { return style != model::Ensemble::strings; }

 private:
  const Sound sound_;
  FakeClock* const clock_;
  std::atomic<int64_t> duration_ns_{0};
  std::atomic<bool> fails_{false}, has_plan_{true};
  int max_batch_ = 0;
  model::Timing timing_;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

}  // namespace fastsag::test
