#pragma once
// The exponential moving average of weights that is validated and released in place of the last, noisy ones.
#include <torch/torch.h>

#include <algorithm>

namespace fastsag::model {

class Ema {
 public:
  Ema(const torch::Tensor& weights, double decay) : average_(weights.detach().clone()), decay_(decay) {}

  // `updates` before this one: at the start the average follows faster, else it would keep the random initial weights.
  void update(const torch::Tensor& weights, int64_t updates) {
    const auto n = static_cast<double>(updates);
    average_.lerp_(weights.detach(), 1 - std::min(decay_, (1 + n) / (10 + n)));
  }
  torch::Tensor& average() { return average_; }

 private:
  torch::Tensor average_;
  double decay_;
};

// While it lives, `weights` hold the average.
class AverageSwappedIn {
 public:
  AverageSwappedIn(torch::Tensor weights, const torch::Tensor& average)
      : weights_(weights.detach()), kept_(weights_.clone()) {
    weights_.copy_(average);
  }
  ~AverageSwappedIn() { weights_.copy_(kept_); }
  AverageSwappedIn(const AverageSwappedIn&) = delete;
  AverageSwappedIn& operator=(const AverageSwappedIn&) = delete;

 private:
  torch::Tensor weights_, kept_;
};

}  // namespace fastsag::model
