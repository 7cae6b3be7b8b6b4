#pragma once
// Batches made ahead in the background while the network learns, so that it never waits for files.
//
// Repeatable: a batch is a function of its key; what is made ahead and not asked for is thrown away.
// Threads: take() from one thread; `make` runs in up to `ahead` others at once. What it throws, take() throws.
#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <future>

#include "model/train/part.h"

namespace fastsag::model {

template <class T>
class Prefetch {
 public:
  Prefetch(std::function<T(const BatchKey&)> make, int64_t ahead)
      : make_(std::move(make)), ahead_(static_cast<size_t>(ahead)) {}

  T take(const BatchKey& key) {
    const auto asked = Clock::now();
    if (waiting_.empty() || !same(waiting_.front().key, key)) {
      waiting_.clear();
      start(key);
    }
    T taken = waiting_.front().batch.get();
    waiting_.pop_front();
    const auto got = Clock::now();
    for (int64_t next = key.step + 1; waiting_.size() < ahead_; ++next) {
      if (next > (waiting_.empty() ? key.step : waiting_.back().key.step)) start({key.seed, next, key.rank});
    }
    share_ = first_ ? 0 : seconds(asked, got) / std::max(seconds(last_, got), 1e-9);
    first_ = false;
    last_ = got;
    return taken;
  }
  // Of the time between the last two batches.
  double share_waited() const { return share_; }

 private:
  using Clock = std::chrono::steady_clock;
  struct Coming {
    BatchKey key;
    std::future<T> batch;
  };
  static bool same(const BatchKey& a, const BatchKey& b) {
    return a.seed == b.seed && a.step == b.step && a.rank == b.rank;
  }
  static double seconds(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double>(to - from).count();
  }
  void start(const BatchKey& key) {
    waiting_.push_back({key, std::async(std::launch::async, [this, key] { return make_(key); })});
  }

  std::function<T(const BatchKey&)> make_;
  size_t ahead_;
  std::deque<Coming> waiting_;
  Clock::time_point last_;
  bool first_ = true;
  double share_ = 0;
};

}  // namespace fastsag::model
