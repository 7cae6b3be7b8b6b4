#pragma once
// Plays on when the accelerator fails. A second accompanist on the CPU, loaded before it is needed, makes the window
// that the device did not make and every one after it, until the device is back:
//
//   device -- DeviceError, or 3 batches in a row that throw --> spare -- loaded and prepared anew --> device
//
// Who plays changes between two windows, which the timeline joins by its crossfade as it joins any two. The device is
// tried again after 30 s, then after twice as long each time, 5 minutes at most. A driver that lost the whole process's
// context gives the device back to a new process only: then it is the CPU until a restart.
//
// Threads: generate(), preset(), last_timing() and device_status() the generation thread; tend() another one (control);
// the rest any. The device is loaded on a thread of its own, which no window waits for.
// Errors: prepare() throws what the device's own throws: a device that is not there at the start is a mistake of the
// configuration. Later all is said in the log, a line each time, and in device_status().
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "daemon/clock.h"
#include "model/accompanist.h"

namespace fastsag::daemon {

class Standby final : public model::Accompanist {
 public:
  using Load = std::function<std::unique_ptr<model::Accompanist>()>;
  using Launch = std::function<void(std::function<void()>)>;  // runs work beside the caller
  // `load`: the device's accompanist, now and every time it is tried again. `launch`: a thread; tests bring their own.
  Standby(const Load& load, std::unique_ptr<model::Accompanist> spare, Clock& clock, Launch launch = {});

  // Tries the device again when it is time to. Call it every second or so.
  void tend();

  void prepare(int max_batch) override;
  void generate(std::span<const model::WindowRequest> requests, std::span<model::WindowResult> results) override;
  const model::Timing& last_timing() const override { return player()->last_timing(); }
  int64_t window_samples() const override { return spare_->window_samples(); }
  int best_batch() const override { return player()->best_batch(); }
  model::DeviceStatus device_status() const override;
  std::string_view preset() const override { return player()->preset(); }
  bool has_plan() const override { return player()->has_plan(); }
  bool can_play(model::Ensemble style) const override { return player()->can_play(style); }

 private:
  using Player = std::shared_ptr<model::Accompanist>;

  Player player() const;
  void lose(const std::string& why);
  void play_spare(std::span<const model::WindowRequest> requests, std::span<model::WindowResult> results);
  void try_again();
  void wait_longer();

  const Load load_;
  const Player spare_;
  Clock& clock_;
  int max_batch_ = 1;
  int failures_ = 0;  // batches in a row; generation thread

  mutable std::mutex mutex_;  // of the next nine
  Player player_;
  Player broken_;  // the device's, until it is tried again: it holds memory there
  std::string why_;
  int64_t fallbacks_ = 0, returns_ = 0;
  Nanoseconds patience_, retry_at_{0}, playing_since_{0};
  bool trying_ = false;

  Launch launch_;
  std::jthread thread_;  // last: what it uses outlives it
};

}  // namespace fastsag::daemon
