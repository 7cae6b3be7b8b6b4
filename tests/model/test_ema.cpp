#include "model/train/ema.h"

#include <gtest/gtest.h>

namespace fastsag::model {
namespace {

TEST(Ema, FollowsFastAtFirstAndSlowlyLater) {
  const torch::Tensor weights = torch::zeros({1}, torch::kDouble);
  Ema ema(weights, 0.99);
  weights.fill_(1);
  ema.update(weights, 0);
  EXPECT_NEAR(ema.average().item<double>(), 0.9, 1e-12);  // decay 1/10 at the first update
  Ema late(torch::zeros({1}, torch::kDouble), 0.99);
  late.update(weights, 100000);
  EXPECT_NEAR(late.average().item<double>(), 0.01, 1e-12);
}

TEST(Ema, ForgetsTheFirstWeights) {
  const torch::Tensor weights = torch::full({1}, 1000.0, torch::kDouble);
  Ema ema(weights, 0.999);
  weights.fill_(1);
  for (int64_t i = 0; i < 200; ++i) ema.update(weights, i);
  // Weight of the start: the product of (1+n)/(10+n) over 200 updates = 9! 200! / 209! < 1e-14; without the fast start
  // it would be .999^200 = .82.
  EXPECT_NEAR(ema.average().item<double>(), 1, 1e-9);
}

TEST(Ema, SwappedInOnlyWhileLookedAt) {
  const torch::Tensor weights = torch::ones({3}).requires_grad_();
  const torch::NoGradGuard no_grad;
  {
    const AverageSwappedIn swapped(weights, torch::full({3}, 2.0));
    EXPECT_EQ(weights[1].item<float>(), 2);
  }
  EXPECT_EQ(weights[1].item<float>(), 1);
}

}  // namespace
}  // namespace fastsag::model
