#pragma once
// Seconds that something takes, and the most memory that the process had meanwhile.
#include <chrono>
#include <cstdint>

namespace fastsag::model {

template <class Body>
double seconds_of(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The largest resident size since reset_peak(), or since the start where the system has no such reset; 0 where it does
// not tell.
int64_t peak_bytes();
void reset_peak();

}  // namespace fastsag::model
