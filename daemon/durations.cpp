#include "daemon/durations.h"

#include <algorithm>

#include "dsp/quantile.h"

namespace fastsag::daemon {

void Durations::add(double duration_s) {
  values_[next_] = duration_s;
  next_ = (next_ + 1) % values_.size();
  size_ = std::min(size_ + 1, values_.size());
}

double Durations::percentile(double q) const {
  if (size_ == 0) return 0;
  auto sorted = values_;
  const size_t rank = dsp::nearest_rank(size_, q);
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(rank),
                   sorted.begin() + static_cast<std::ptrdiff_t>(size_));
  return sorted[rank];
}

}  // namespace fastsag::daemon
