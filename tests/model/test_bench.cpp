#include "model/bench.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "model/kernel_times.h"
#include "model/memory.h"
#include "model/nn/device_ops.h"
#include "model/paper/bench_graphs.h"
#include "model/paper/precision.h"
#include "model/work_counter.h"
#include "tests/support/host_stream.h"
#include "tests/support/scratch.h"
#include "tests/support/small_paper.h"

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

TEST(WorkCounter, CountsBytesAsTheyAreStored) {
  const torch::NoGradGuard no_grad;
  for (const auto type : {torch::kFloat, torch::kBFloat16}) {
    const double each = type == torch::kFloat ? 4 : 2;
    const auto ones = [type](std::vector<int64_t> shape) { return torch::ones(shape, type); };
    const CountedWork product = work_of([&] { torch::mm(ones({3, 5}), ones({5, 7})); });
    EXPECT_EQ(product.weight_bytes, each * 5 * 7);
    EXPECT_EQ(product.value_bytes, each * (3 * 5 + 3 * 7));
    torch::nn::Conv1d conv(torch::nn::Conv1dOptions(2, 8, 3).padding(1));
    conv->to(type);
    const CountedWork convolution = work_of([&] { conv(ones({1, 2, 10})); });
    EXPECT_EQ(convolution.weight_bytes, each * (8 * 2 * 3 + 8)) << "its bias, too";
    EXPECT_EQ(convolution.value_bytes, each * (2 * 10 + 8 * 10));
  }
}

TEST(BenchRow, PercentilesAreOfTheNearestRank) {
  BenchRow row;
  EXPECT_EQ(row.percentile(.5), 0);
  for (int i = 1; i <= 20; ++i) row.seconds.push_back(i);
  EXPECT_EQ(row.median(), 10);
  EXPECT_EQ(row.percentile(.95), 19);
  EXPECT_EQ(row.percentile(.99), 20);
}

TEST(BenchRow, ATailIsSaidOfRunsEnoughAlone) {
  BenchRow row;
  const auto fill = [&row](int runs) {
    row.seconds.clear();
    for (int i = 1; i <= runs; ++i) row.seconds.push_back(i);
  };
  fill(19);
  EXPECT_FALSE(row.tail(.95)) << "of 19 it would be the longest";
  fill(20);
  EXPECT_EQ(row.tail(.95), 19);
  fill(99);
  EXPECT_FALSE(row.tail(.99));
  fill(100);
  EXPECT_EQ(row.tail(.99), 99);
}

TEST(KernelTimes, GapsAreWhereNothingRuns) {
  EXPECT_EQ(kernel_times({}).gaps(), 0);
  // 10 to 30 and 20 to 40 at the same time, one within another; then nothing from 60 to 110.
  const KernelTimes times = kernel_times({{110, 140}, {10, 30}, {20, 40}, {40, 60}, {25, 28}});
  EXPECT_EQ(times.kernels, 5);
  EXPECT_DOUBLE_EQ(times.busy, 80e-9);
  EXPECT_DOUBLE_EQ(times.span, 130e-9);
  EXPECT_DOUBLE_EQ(times.gaps(), 50. / 130);
}

TEST(KernelTimes, AreNoneWhereNothingRunsOnAGpu) {
  int runs = 0;
  EXPECT_FALSE(watched([&runs] {
    torch::ones({10}).sum();
    ++runs;
  }));
  EXPECT_EQ(runs, 1);
  EXPECT_THROW(watched([] { throw Error("stop"); }), Error);
  EXPECT_FALSE(watched([] {})) << "and it can be asked again";
}

// The GPU's rows with a stream of the host in a GPU's place, and our kernels through their references.
class BenchGraphs : public testing::Test {
 protected:
  BenchReport run(int steps, bool baseline, const std::string& refuses = {}) {
    test::write_small_paper(folder_.path());
    const GraphBench on{torch::kCPU,
                        [&] {
                          auto stream = std::make_unique<test::HostStream>();
                          stream->refuses = refuses;
                          stream->fails = [this] { ++replays_; };
                          return stream;
                        },
                        NetWay::gpu};
    BenchReport report;
    bench_graphs(load_preset_file(folder_ / "small.toml"),
                 {.steps = steps, .threads = 1, .baseline = baseline, .seconds = 0}, on, report, [](const auto&) {});
    return report;
  }
  static const BenchRow& find(const BenchReport& report, const std::string& block, const std::string& way) {
    const auto found =
        std::ranges::find_if(report.rows, [&](const auto& row) { return row.block == block && row.way == way; });
    if (found == report.rows.end()) throw Error("no row " + block + " " + way);
    return *found;
  }

  test::Scratch folder_;
  int replays_ = 0;
};

TEST_F(BenchGraphs, BlocksAreReplaysInBothPrecisions) {
  launch_count() = {};
  const BenchReport report = run(2, true);
  EXPECT_GT(launch_count().launches, 1000) << "our kernels";
  EXPECT_EQ(report.remarks, std::vector<std::string>{});
  std::vector<std::string> rows;
  for (const BenchRow& row : report.rows) {
    rows.push_back(row.block + " " + row.way);
    EXPECT_EQ(row.seconds.size(), 3u) << rows.back();
  }
  EXPECT_THAT(rows,
              testing::ElementsAre("front end plain", "front end fp32", "condition plain", "condition fp32",
                                   "U-Net step plain", "U-Net step fp32", "U-Net step bf16", "loop plain", "loop fp32",
                                   "loop bf16", "vocoder fp32", "window plain", "window fp32", "window bf16"));
  // Each graph once to warm up and 3 times: the four blocks' 6, and in each of two precisions a window's two, which
  // its preparation runs, too.
  EXPECT_EQ(replays_, 6 * 4 + 2 * 2 * 5);
  const auto flop = [&](const std::string& block) { return find(report, block, "bf16").flop; };
  EXPECT_GT(flop("U-Net step"), 1e6);
  EXPECT_EQ(flop("loop"), 2 * flop("U-Net step"));
  EXPECT_EQ(flop("window"),
            flop("loop") + find(report, "front end", "fp32").flop + find(report, "condition", "fp32").flop);
  EXPECT_EQ(find(report, "U-Net step", "bf16").bytes, find(report, "U-Net step", "fp32").bytes / 2);
  EXPECT_GT(find(report, "window", "bf16").bytes, find(report, "window", "fp32").bytes / 2)
      << "what is before the loop stays in floats";
  ASSERT_EQ(report.bf16_snr.size(), 1u) << "sound is made on the host";
  EXPECT_GT(report.bf16_snr[0].second, 25);
  EXPECT_LT(report.bf16_snr[0].second, 90) << "else nothing ran in bf16";
  std::vector<std::string> faster;
  for (const auto& [what, factor] : report.speedup) faster.push_back(what);
  EXPECT_THAT(faster, testing::IsSupersetOf({"U-Net step bf16", "loop fp32", "window fp32", "window bf16"}));
}

TEST_F(BenchGraphs, SaysWhatIsNoGraph) {
  const BenchReport report = run(1, false, "no capture here");
  EXPECT_EQ(replays_, 0);
  EXPECT_TRUE(report.speedup.empty());
  EXPECT_THAT(report.remarks,
              testing::IsSupersetOf({"U-Net step bf16 is no graph (no capture here): it ran an operator at a time",
                                     "window fp32 is no graph (no capture here): it ran an operator at a time"}));
}

TEST(Precision, OfThePresetOrWhatIsFasterHere) {
  Preset preset;
  for (const char* word : {"fp32", "bf16"}) {
    preset.precision = word;
    EXPECT_EQ(settled_precision(preset, torch::kCPU), word);
  }
  preset.precision = "auto";
  const std::string here = settled_precision(preset, torch::kCPU);
  EXPECT_THAT(here, testing::AnyOf("fp32", "bf16"));
  EXPECT_EQ(settled_precision(preset, torch::kCPU), here) << "measured once";
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
