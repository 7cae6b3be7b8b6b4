#pragma once
// Chance that can be repeated: a stream of numbers that is a function of what it is for, such as (seed, position, which
// note), so that windows that overlap choose alike. The numbers are the same on every machine.
//
// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (splitmix64).
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numbers>

namespace fastsag::model {

class Chance {
 public:
  explicit Chance(std::initializer_list<uint64_t> what) {
    for (uint64_t word : what) state_ = mix(state_ + kGolden) ^ word;
  }
  uint64_t next() { return mix(state_ += kGolden); }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }  // [0, 1)
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  int below(int count) { return static_cast<int>(uniform() * count); }
  bool maybe(double probability) { return uniform() < probability; }
  double normal(double deviation = 1) {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return deviation * radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  static constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;
  static constexpr uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_ = 0;
};

}  // namespace fastsag::model
