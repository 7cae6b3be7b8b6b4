#pragma once
// How long the programs sing in these tests: FASTSAG_SOAK_SECONDS, 12 where it is not set.
#include <algorithm>
#include <cstdlib>

namespace fastsag::test {

inline double soak_s() {
  const char* text = std::getenv("FASTSAG_SOAK_SECONDS");
  return text ? std::max(10.0, std::atof(text)) : 12;
}

}  // namespace fastsag::test
