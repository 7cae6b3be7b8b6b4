#pragma once
// Which of two ways is faster here: the shortest time of each, run turn by turn, so that other work on the machine
// slows neither alone.
#include <algorithm>
#include <utility>

#include "model/stopwatch.h"

namespace fastsag::model {

// Seconds of either body. Who runs on a device waits for it in the body.
template <class First, class Second>
std::pair<double, double> best_in_turn(int rounds, const First& first, const Second& second) {
  const auto seconds_of = [](const auto& body) {
    Stopwatch watch;
    double seconds = 0;
    body();
    watch.lap(seconds);
    return seconds;
  };
  std::pair best{1e9, 1e9};
  for (int round = 0; round < rounds; ++round) {
    best.first = std::min(best.first, seconds_of(first));
    best.second = std::min(best.second, seconds_of(second));
  }
  return best;
}

}  // namespace fastsag::model
