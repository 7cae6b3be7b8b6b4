#include "daemon/standby.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "daemon/niceness.h"

namespace fastsag::daemon {
namespace {

using namespace std::chrono_literals;

constexpr int kFailuresInARow = 3;
constexpr Nanoseconds kFirstPatience = 30s, kLongestPatience = 5min;
constexpr Nanoseconds kSound = 5min;  // a device that has played for so long is trusted again

}  // namespace

Standby::Standby(const Load& load, std::unique_ptr<model::Accompanist> spare, Clock& clock, Launch launch)
    : load_(load),
      spare_(std::move(spare)),
      clock_(clock),
      player_(load_()),
      patience_(kFirstPatience),
      launch_(std::move(launch)) {
  if (player_->window_samples() != spare_->window_samples())
    throw Error("preset " + std::string(spare_->preset()) + " cannot stand in for " + std::string(player_->preset()) +
                ": their windows differ in length");
  if (!launch_)
    launch_ = [this](std::function<void()> work) {
      thread_ = std::jthread([work = std::move(work)] {
        be_nice(kLoadingNiceness);
        work();
      });
    };
}

Standby::Player Standby::player() const {
  const std::scoped_lock lock(mutex_);
  return player_;
}

void Standby::prepare(int max_batch) {
  max_batch_ = max_batch;
  player()->prepare(max_batch);
  spare_->prepare(std::min(max_batch, spare_->best_batch()));
  const std::scoped_lock lock(mutex_);
  playing_since_ = clock_.now();
}

void Standby::generate(std::span<const model::WindowRequest> requests, std::span<model::WindowResult> results) {
  const Player now = player();
  if (now == spare_) return play_spare(requests, results);
  try {
    now->generate(requests, results);
    failures_ = 0;
    return;
  } catch (const model::DeviceError& error) {
    lose(error.what());
  } catch (const std::exception& error) {
    if (++failures_ < kFailuresInARow) throw;
    lose(error.what());
  }
  play_spare(requests, results);
}

void Standby::play_spare(std::span<const model::WindowRequest> requests, std::span<model::WindowResult> results) {
  const auto most = static_cast<size_t>(std::min(max_batch_, spare_->best_batch()));
  for (size_t i = 0; i < requests.size(); i += most) {
    const size_t count = std::min(most, requests.size() - i);
    for (auto& result : results.subspan(i, count)) result = {};
    spare_->generate(requests.subspan(i, count), results.subspan(i, count));
  }
}

void Standby::lose(const std::string& why) {
  failures_ = 0;
  const std::scoped_lock lock(mutex_);
  const Nanoseconds now = clock_.now();
  if (now - playing_since_ >= kSound) patience_ = kFirstPatience;
  broken_ = std::exchange(player_, spare_);
  why_ = why;
  ++fallbacks_;
  wait_longer();
  spdlog::error("preset {} cannot go on: {}; preset {} plays on the CPU until the device is back", broken_->preset(),
                why, spare_->preset());
}

// mutex_ is held.
void Standby::wait_longer() {
  retry_at_ = clock_.now() + patience_;
  patience_ = std::min(2 * patience_, kLongestPatience);
}

void Standby::tend() {
  {
    const std::scoped_lock lock(mutex_);
    if (player_ != spare_ || trying_ || clock_.now() < retry_at_) return;
    trying_ = true;
  }
  launch_([this] { try_again(); });
}

void Standby::try_again() {
  Player broken, device;
  {
    const std::scoped_lock lock(mutex_);
    broken = std::move(broken_);
  }
  broken.reset();  // gives back what it held before more is asked for
  std::string why;
  try {
    device = load_();
    device->prepare(max_batch_);
  } catch (const std::exception& error) {
    why = error.what();
    device.reset();
  }
  const std::scoped_lock lock(mutex_);
  trying_ = false;
  if (device) {
    player_ = std::move(device);
    why_.clear();
    ++returns_;
    playing_since_ = clock_.now();
    spdlog::info("the device is back: preset {} plays again", player_->preset());
  } else {
    const double wait_s = seconds(patience_);
    wait_longer();
    spdlog::warn("the device is not back: {}; tried again in {:.0f} s", why, wait_s);
  }
}

model::DeviceStatus Standby::device_status() const {
  model::DeviceStatus status = player()->device_status();
  const std::scoped_lock lock(mutex_);
  status.fallback = why_;
  status.fallbacks = fallbacks_;
  status.returns = returns_;
  return status;
}

}  // namespace fastsag::daemon
