#include "tests/support/fake_clock.h"

namespace fastsag::test {

daemon::Nanoseconds FakeClock::now() const {
  const std::scoped_lock lock(mutex_);
  return now_;
}

void FakeClock::sleep_for(daemon::Nanoseconds duration) {
  std::unique_lock lock(mutex_);
  const auto until = now_ + duration;
  while (now_ < until && !released_) {
    const auto seen = now_;
    ++sleepers_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return now_ != seen || released_; });
  }
}

void FakeClock::advance(daemon::Nanoseconds duration) {
  const std::scoped_lock lock(mutex_);
  now_ += duration;
  sleepers_ = 0;  // whoever goes on sleeping counts itself again
  changed_.notify_all();
}

void FakeClock::wait_for_sleepers(int count) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return sleepers_ >= count; });
}

void FakeClock::release() {
  const std::scoped_lock lock(mutex_);
  released_ = true;
  changed_.notify_all();
}

}  // namespace fastsag::test
