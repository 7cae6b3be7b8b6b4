#pragma once
// Which way is faster here: the shortest time of each, run turn by turn, so that other work on the machine
// slows none alone.
#include <algorithm>
#include <array>

#include "model/stopwatch.h"

namespace fastsag::model {

// Seconds of each body. Who runs on a device waits for it in the body.
template <class... Bodies>
std::array<double, sizeof...(Bodies)> best_in_turn(int rounds, Bodies&&... bodies) {
  std::array<double, sizeof...(Bodies)> best;
  best.fill(1e9);
  for (int round = 0; round < rounds; ++round) {
    auto* own = best.data();
    const auto run = [&own](auto& body) {
      Stopwatch watch;
      double seconds = 0;
      body();
      watch.lap(seconds);
      *own = std::min(*own, seconds);
      ++own;
    };
    (run(bodies), ...);
  }
  return best;
}

}  // namespace fastsag::model
