#pragma once
// The value below which that part of sorted values lies, between two of them in proportion (as numpy.quantile).
#include <algorithm>
#include <cmath>
#include <span>

namespace fastsag::dsp {

inline constexpr double kLoud = 0.9;  // the part of levels whose quantile is called loud

// sorted: ascending, not empty; part: 0..1.
inline double quantile(std::span<const double> sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(place), high = std::min(low + 1, sorted.size() - 1);
  return std::lerp(sorted[low], sorted[high], place - static_cast<double>(low));
}

// Index of the value of that rank among `count` > 0 sorted ones, a value that was there (nearest rank).
inline size_t nearest_rank(size_t count, double part) {
  const double rank = std::ceil(part * static_cast<double>(count));
  return static_cast<size_t>(std::clamp(rank, 1.0, static_cast<double>(count))) - 1;
}

}  // namespace fastsag::dsp
