#pragma once
// Adds the seconds that passed since the last lap to a figure. Who counts more than time (bench) can look on at the
// laps of its thread.
#include <chrono>

namespace fastsag::model {

class LapObserver {
 public:
  LapObserver() { now() = this; }
  LapObserver(const LapObserver&) = delete;
  LapObserver& operator=(const LapObserver&) = delete;
  virtual ~LapObserver() { now() = nullptr; }
  virtual void lap(const double& seconds) = 0;  // the figure that was added to

  static LapObserver*& now() {  // of this thread, or null
    thread_local LapObserver* observer = nullptr;
    return observer;
  }
};

class Stopwatch {
 public:
  void lap(double& seconds) {
    const auto now = std::chrono::steady_clock::now();
    seconds += std::chrono::duration<double>(now - last_).count();
    last_ = now;
    if (LapObserver* observer = LapObserver::now()) observer->lap(seconds);
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace fastsag::model
