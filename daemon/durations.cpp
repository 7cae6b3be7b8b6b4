#include "daemon/durations.h"

#include <algorithm>
#include <cmath>

namespace fastsag::daemon {

void Durations::add(double duration_s) {
  values_[next_] = duration_s;
  next_ = (next_ + 1) % values_.size();
  size_ = std::min(size_ + 1, values_.size());
}

double Durations::percentile(double q) const {
  if (size_ == 0) return 0;
  auto sorted = values_;
  const auto rank = static_cast<size_t>(std::max(std::ceil(q * static_cast<double>(size_)) - 1, 0.0));
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank),
                   sorted.begin() + static_cast<std::ptrdiff_t>(size_));
  return sorted[rank];
}

}  // namespace fastsag::daemon
