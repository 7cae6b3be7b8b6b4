#pragma once
// How long the programs sing in these tests: FASTSAG_SOAK_SECONDS, 12 where it is not set; in how many rooms where it is
// about rooms: FASTSAG_SOAK_ROOMS, 3.
#include <algorithm>
#include <cstdlib>

namespace fastsag::test {

inline double soak_s() {
  const char* text = std::getenv("FASTSAG_SOAK_SECONDS");
  return text ? std::max(10.0, std::atof(text)) : 12;
}

inline int soak_rooms() {
  const char* text = std::getenv("FASTSAG_SOAK_ROOMS");
  return text ? std::clamp(std::atoi(text), 1, 64) : 3;
}

}  // namespace fastsag::test
