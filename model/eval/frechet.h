#pragma once
// Fréchet distance between two sets of features, each seen as one normal distribution:
// |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)).
//
// Shapes: features [n][d]. Computed in double; one Gaussian may be fed by parts.
// Errors: fastsag::Error where a set has fewer than two frames, or sets differ in d.
// Source: Dowson and Landau 1982; Heusel et al. 2017; Kilgour et al. 2019 (as a distance of sounds).
#include <torch/torch.h>

namespace fastsag::model {

// Mean and scatter (sum of outer products about the mean) of the frames so far.
class Gaussian {
 public:
  void add(const torch::Tensor& frames);  // [n][d]
  void add(const Gaussian& other);        // as if its frames were added

  int64_t frames() const { return frames_; }
  int64_t dimensions() const { return frames_ ? mean_.size(0) : 0; }
  torch::Tensor mean() const { return mean_.to(torch::kFloat64); }
  torch::Tensor covariance() const;  // over n - 1, as numpy.cov
  Gaussian compact() const;          // the same in float32: half the memory, for what is only drawn from

 private:
  int64_t frames_ = 0;
  torch::Tensor mean_, scatter_;  // [d], [d][d]
};

// One side of many distances: its covariance is factored once.
class FrechetReference {
 public:
  explicit FrechetReference(const Gaussian& reference);
  double distance(const Gaussian& other) const;

 private:
  torch::Tensor mean_, root_;
  double trace_ = 0;
};

}  // namespace fastsag::model
