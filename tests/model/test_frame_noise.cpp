#include "model/frame_noise.h"

#include <gtest/gtest.h>

#include "model/hashed_normal.h"

namespace fastsag::model {
namespace {

TEST(FrameNoise, WindowsThatOverlapAgree) {
  const torch::Tensor whole = frame_noise(7, -50, 400), part = frame_noise(7, 113, 100);
  EXPECT_TRUE(torch::equal(whole.slice(0, 163, 263), part));
}

TEST(FrameNoise, IsNormalAndUncorrelated) {
  const torch::Tensor noise = frame_noise(1, 1000, 2000);  // 200000 draws: the mean's deviation is .0022
  EXPECT_NEAR(noise.mean().item<double>(), 0, .01);
  EXPECT_NEAR(noise.std().item<double>(), 1, .01);
  EXPECT_NEAR(noise.pow(4).mean().item<double>(), 3, .08);
  EXPECT_NEAR((noise.slice(0, 1) * noise.slice(0, 0, -1)).mean().item<double>(), 0, .01);
  EXPECT_NEAR((noise.slice(1, 1) * noise.slice(1, 0, -1)).mean().item<double>(), 0, .01);
  EXPECT_NEAR((noise * frame_noise(2, 1000, 2000)).mean().item<double>(), 0, .01);  // another seed
}

TEST(FrameNoise, OfSeveralWindowsAtOnce) {
  torch::Tensor all = torch::empty({2, 30, 100});
  const std::vector<int64_t> seeds = {5, -6}, first = {-7, 1'000'000};  // -6: a seed beyond int64
  fill_frame_noise(all, torch::tensor(seeds, torch::kLong), torch::tensor(first, torch::kLong));
  EXPECT_TRUE(torch::equal(all[0], frame_noise(5, -7, 30)));
  EXPECT_TRUE(torch::equal(all[1], frame_noise(static_cast<uint64_t>(-6), 1'000'000, 30)));
}

TEST(FrameNoise, OneHourInItIsStillNoise) {
  const torch::Tensor noise = frame_noise(1, 337500, 500);
  EXPECT_NEAR(noise.mean().item<double>(), 0, .02);
  EXPECT_NEAR(noise.std().item<double>(), 1, .02);
}

TEST(HashedNormal, KnownValues) {
  // splitmix64 of 0, from the authors' reference code.
  EXPECT_EQ(splitmix64(0), 0xe220a8397b1dcdafu);
  EXPECT_EQ(frame_noise(5, 9, 1)[0][3].item<float>(), frame_normal(5, 9, 3));
}

}  // namespace
}  // namespace fastsag::model
