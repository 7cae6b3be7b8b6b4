#include "model/bench.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/memory.h"
#include "model/work_counter.h"

namespace fastsag::model {
namespace {

CountedWork work_of(const std::function<void()>& body) {
  const WorkCounter counter;
  body();
  return counter.work();
}
double flop_of(const std::function<void()>& body) { return work_of(body).flop; }

TEST(WorkCounter, CountsWhatTheShapesSay) {
  const torch::NoGradGuard no_grad;
  const auto ones = [](std::vector<int64_t> shape) { return torch::ones(shape); };
  EXPECT_EQ(flop_of([&] { torch::mm(ones({3, 5}), ones({5, 7})); }), 2 * 3 * 5 * 7);
  EXPECT_EQ(flop_of([&] { torch::nn::Linear{6, 4}(ones({2, 9, 6})); }), 2 * 18 * 6 * 4);
  const torch::nn::Conv2dOptions strided = torch::nn::Conv2dOptions(2, 8, 3).stride(2).padding(1);
  EXPECT_EQ(flop_of([&] { torch::nn::Conv2d{strided}(ones({1, 2, 10, 16})); }), 2 * (8 * 2 * 9) * (5 * 8));
  const auto grouped = torch::nn::Conv1dOptions(4, 4, 3).groups(2);
  EXPECT_EQ(flop_of([&] { torch::nn::Conv1d{grouped}(ones({1, 4, 12})); }), 2 * (4 * 2 * 3) * 10);
  const auto up = torch::nn::ConvTranspose1dOptions(6, 3, 4).stride(2).padding(1);
  EXPECT_EQ(flop_of([&] { torch::nn::ConvTranspose1d{up}(ones({1, 6, 10})); }), 2 * (6 * 3 * 4) * 10);
  EXPECT_EQ(flop_of([] {}), 0);
}

TEST(BenchRow, PercentilesAreOfTheNearestRank) {
  BenchRow row;
  EXPECT_EQ(row.percentile(.5), 0);
  for (int i = 1; i <= 20; ++i) row.seconds.push_back(i);
  EXPECT_EQ(row.median(), 10);
  EXPECT_EQ(row.percentile(.95), 19);
  EXPECT_EQ(row.percentile(.99), 20);
}

TEST(PeakBytes, SeesMemoryThatWasThereForAMoment) {
  reset_peak();
  const int64_t before = peak_bytes();
  if (before == 0) GTEST_SKIP() << "this system does not tell";
  constexpr int64_t kBytes = int64_t{64} << 20;
  { const torch::Tensor moment = torch::ones({kBytes / 4}); }
  EXPECT_GT(peak_bytes() - before, kBytes / 2);
}

}  // namespace
}  // namespace fastsag::model
