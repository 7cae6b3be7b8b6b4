#pragma once
// Percentiles of the last durations, for deciding how much time to allow.
//
// Threads: one. Units: seconds.
#include <array>
#include <cstddef>

namespace fastsag::daemon {

class Durations {
 public:
  void add(double duration_s);
  // Nearest rank; q in 0..1. 0 while there are none.
  double percentile(double q) const;
  size_t size() const { return size_; }

 private:
  std::array<double, 256> values_{};
  size_t size_ = 0, next_ = 0;
};

// How long a window must be expected to take.
struct Pace {
  double latency_s = 0;   // from the moment it is due until it is written: it may wait for other rooms
  double generate_s = 0;  // of that, the model's share
};

}  // namespace fastsag::daemon
