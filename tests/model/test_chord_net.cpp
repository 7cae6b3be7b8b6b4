#include "model/nn/chord_net.h"

#include <gtest/gtest.h>

#include "model/lite/steps.h"

namespace fastsag::model {
namespace {

using torch::indexing::Slice;

TEST(ChordNet, ASongMovedGivesTheSameChordsMoved) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  ChordNet net;
  net->eval();
  const auto pitches = torch::rand({2, kSongSteps, 12, kPitchFeatures}),
             scalars = torch::rand({2, kSongSteps, kStepScalars});
  const auto here = net->forward(pitches, scalars);
  ASSERT_EQ(here.sizes(), (std::vector<int64_t>{2, kSongBeats, kTriads}));
  EXPECT_GT(here.std().item<double>(), 1e-3);  // it says something at all
  for (const int up : {1, 5, 11}) {
    const auto there = net->forward(pitches.roll({up}, {2}), scalars);
    // 1e-4: the sums of 192 products come in another order.
    EXPECT_TRUE(torch::allclose(there, here.roll({2 * up}, {2}), 1e-4, 1e-4)) << up;
  }
}

TEST(ChordNet, IsAsSmallAsTheRecipeSays) {
  int64_t count = 0;
  for (const auto& p : ChordNet()->parameters()) count += p.numel();
  EXPECT_NEAR(static_cast<double>(count), 0.268e6, 0.001e6);
}

TEST(ChordNet, EveryBeatHearsTheWholeSong) {
  torch::manual_seed(1);
  ChordNet net;
  auto pitches = torch::rand({1, kSongSteps, 12, kPitchFeatures}).requires_grad_(true);
  net->forward(pitches, torch::zeros({1, kSongSteps, kStepScalars})).index({0, 0, 0}).backward();
  const auto reach = pitches.grad().abs().sum({0, 2, 3});
  EXPECT_GT(reach.index({Slice(kSongSteps - 4)}).min().item<double>(), 0);  // by attention, past the convolutions
}

}  // namespace
}  // namespace fastsag::model
