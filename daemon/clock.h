#pragma once
// Time as the daemon sees it, so that tests and `fastsag render` can bring their own.
//
// Threads: every member may be called from any thread.
#include <chrono>

namespace fastsag::daemon {

using Nanoseconds = std::chrono::nanoseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  // Since some fixed moment; never goes back. Real-time: yes.
  virtual Nanoseconds now() const = 0;
  virtual void sleep_for(Nanoseconds duration) = 0;
};

class SystemClock final : public Clock {
 public:
  Nanoseconds now() const override;
  void sleep_for(Nanoseconds duration) override;
};

inline double seconds(Nanoseconds duration) { return std::chrono::duration<double>(duration).count(); }

}  // namespace fastsag::daemon
