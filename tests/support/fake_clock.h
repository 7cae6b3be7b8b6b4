#pragma once
// A clock that stands still until a test moves it, and that knows who sleeps on it.
#include <condition_variable>
#include <mutex>

#include "daemon/clock.h"

namespace fastsag::test {

class FakeClock final : public daemon::Clock {
 public:
  daemon::Nanoseconds now() const override;
  void sleep_for(daemon::Nanoseconds duration) override;

  void advance(daemon::Nanoseconds duration);
  // Returns when so many threads sleep: they have done all that could be done until now.
  void wait_for_sleepers(int count);
  // Nobody sleeps any more, now or later: for the end of a test.
  void release();

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  daemon::Nanoseconds now_{0};
  int sleepers_ = 0;  // that the present time has not woken
  bool released_ = false;
};

}  // namespace fastsag::test
