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

TEST(FrameNoiseOnGpu, OfSeveralWindowsAtOnce) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device here";
  const auto integers = [](std::vector<int64_t> of) { return torch::tensor(of, torch::kLong).to(torch::kCUDA); };
  torch::Tensor all = torch::empty({2, 300, 100}, torch::kCUDA);
  fill_frame_noise(all, integers({5, -6}), integers({-7, 1'000'000}));
  EXPECT_TRUE(torch::equal(all[0], frame_noise(5, -7, 300, 100, torch::kCUDA)));
  EXPECT_TRUE(torch::equal(all[1], frame_noise(static_cast<uint64_t>(-6), 1'000'000, 300, 100, torch::kCUDA)));
}

}  // namespace
}  // namespace fastsag::model
