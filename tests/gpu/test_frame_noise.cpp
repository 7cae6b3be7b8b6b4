#include "model/frame_noise.h"

#include <gtest/gtest.h>

namespace fastsag::model {
namespace {

TEST(FrameNoiseOnGpu, HasTheNumbersOfTheCpu) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device here";
  const torch::Tensor cpu = frame_noise(11, -37, 1000), gpu = frame_noise(11, -37, 1000, 100, torch::kCUDA).cpu();
  // Both compute in double; a logarithm that differs in its last bit may move the rounding to float by one.
  EXPECT_LT((cpu - gpu).abs().max().item<double>(), 1e-6);
  EXPECT_GT((cpu == gpu).to(torch::kFloat).mean().item<double>(), .999);
}

}  // namespace
}  // namespace fastsag::model
