#include "daemon/head_follower.h"

#include <algorithm>

namespace fastsag::daemon {

void HeadFollower::observe(Nanoseconds now, int64_t head) {
  if (head == head_) {
    if (moved_ && now - *moved_ > kStill) moved_.reset();
    return;
  }
  const bool resumed = !moved_ || head < head_;
  head_ = head;
  moved_ = now;
  const double lead = static_cast<double>(head) - rate_ * seconds(now);
  if (resumed) {
    earliest_ = lead;
    earliest_before_.reset();
    since_ = now;
  } else if (now - since_ > kMemory) {
    earliest_before_ = earliest_;
    earliest_ = lead;
    since_ = now;
  } else {
    earliest_ = std::max(*earliest_, lead);
  }
}

double HeadFollower::at(Nanoseconds time) const {
  if (!moved_) return static_cast<double>(head_);
  return std::max(*earliest_, earliest_before_.value_or(*earliest_)) + rate_ * seconds(time);
}

}  // namespace fastsag::daemon
