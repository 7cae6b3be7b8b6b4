#pragma once
// A model whose answer can be told by looking at it: a tone of absolute phase, or the voice itself.
#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "model/accompanist.h"
#include "tests/support/fake_clock.h"

namespace fastsag::test {

class FakeAccompanist final : public model::Accompanist {
 public:
  enum class Sound {
    tone,  // 440 Hz at -12 dBFS, its phase a function of the position: windows agree
    low,   // 220 Hz, the opposite way round
    echo,  // the voice at the position written; silence where it was not heard
  };
  struct Seen {  // a request, without what it views
    int64_t voice_begin, voice_end, write_begin, write_end, known_end, played_begin, played_end;
    std::vector<float> played;
    size_t past_notes, batch;
    model::Controls controls;
    daemon::Nanoseconds at{0};  // when generate() was called
  };

  explicit FakeAccompanist(Sound sound = Sound::tone, FakeClock* clock = nullptr) : sound_(sound), clock_(clock) {}

  // Each generate() moves the clock by so much.
  void take(daemon::Nanoseconds duration) { duration_ns_ = duration.count(); }
  // Each window of one, rather: as a core that does them one after the other.
  void take_each(daemon::Nanoseconds duration) { window_ns_ = duration.count(); }
  void fail(bool fails) { fails_ = fails; }
  void lose_device(bool lost) { lost_ = lost; }
  // Rooms of this seed get numbers that are none, or are told that their window could not be made.
  void poison(uint64_t seed) { poisoned_ = seed; }
  void refuse(uint64_t seed) { refused_ = seed; }
  void be(std::string preset, int best_batch) {
    preset_ = std::move(preset);
    best_batch_ = best_batch;
  }
  void plan_less(bool is) { has_plan_ = !is; }
  void tell(model::DeviceStatus status) { status_ = std::move(status); }  // before it is used
  // Called on the generation thread, before anything else.
  std::function<void()> on_generate;
  std::vector<Seen> seen() const;
  static float tone(int64_t position, int hertz = 440);

  void prepare(int max_batch) override { max_batch_ = max_batch; }
  void generate(std::span<const model::WindowRequest> requests, std::span<model::WindowResult> results) override;
  const model::Timing& last_timing() const override { return timing_; }
  int64_t window_samples() const override { return 10 * model::kSampleRate; }
  std::string_view preset() const override { return preset_; }
  int best_batch() const override { return best_batch_; }
  model::DeviceStatus device_status() const override { return status_; }
  bool has_plan() const override { return has_plan_; }
  bool can_play(model::Ensemble style) const override { return style != model::Ensemble::strings; }

 private:
  const Sound sound_;
  FakeClock* const clock_;
  std::atomic<int64_t> duration_ns_{0}, window_ns_{0};
  std::atomic<bool> fails_{false}, lost_{false}, has_plan_{true};
  std::atomic<uint64_t> poisoned_{~uint64_t{0}}, refused_{~uint64_t{0}};
  std::string preset_ = "fake";
  int best_batch_ = 64;
  model::DeviceStatus status_;
  int max_batch_ = 0;
  model::Timing timing_;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

}  // namespace fastsag::test
