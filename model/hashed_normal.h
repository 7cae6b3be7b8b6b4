#pragma once
// A normal number as a pure function of (key, index): the same on the host and on a GPU, in any order, for ever.
// Computed in double, rounded once.
//
// Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (splitmix64); Box and
// Muller 1958. The formula is that of the golden tensors' inputs.
#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define FASTSAG_HOST_DEVICE __host__ __device__
#else
#define FASTSAG_HOST_DEVICE
#endif

namespace fastsag::model {

FASTSAG_HOST_DEVICE inline uint64_t splitmix64(uint64_t x) {
  uint64_t z = x + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

FASTSAG_HOST_DEVICE inline float hashed_normal(uint64_t key, uint64_t index) {
  const double u1 = static_cast<double>((splitmix64(key + 2 * index) >> 11) + 1) * 0x1p-53;  // (0, 1]
  const double u2 = static_cast<double>(splitmix64(key + 2 * index + 1) >> 11) * 0x1p-53;    // [0, 1)
  return static_cast<float>(std::sqrt(-2 * std::log(u1)) * std::cos(6.283185307179586 * u2));
}

// Noise of band `band` (below 128) of absolute frame `frame`.
FASTSAG_HOST_DEVICE inline float frame_normal(uint64_t seed, int64_t frame, int64_t band) {
  return hashed_normal(splitmix64(seed), static_cast<uint64_t>(frame * 128 + band));
}

}  // namespace fastsag::model
