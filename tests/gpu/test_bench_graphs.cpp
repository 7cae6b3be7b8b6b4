// fastsag bench's rows on a GPU: every block a graph, and what the device's own clock says of the gaps in the loop.
#include "model/paper/bench_graphs.h"

#include <gtest/gtest.h>

#include "model/torch_device.h"
#include "tests/support/scratch.h"
#include "tests/support/small_paper.h"

namespace fastsag::model {
namespace {

TEST(BenchGraphsOnGpu, EveryBlockIsAGraphAndGapsAreSeen) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device here";
  const torch::Device gpu(torch::kCUDA, 0);
  tune_device(gpu);
  const test::Scratch folder;
  test::write_small_paper(folder.path());
  BenchReport report;
  bench_graphs(load_preset_file(folder / "small.toml"), {.steps = 4, .baseline = true, .seconds = .1},
               {gpu, [gpu] { return cuda_stream(gpu); }}, report, [](const BenchRow&) {});
  for (const std::string& remark : report.remarks) ADD_FAILURE() << remark;
  EXPECT_EQ(report.rows.size(), 2u + 2 + 3 + 3 + 1 + 3);
  for (const BenchRow& row : report.rows) EXPECT_GT(row.median(), 1e-6) << row.block << " " << row.way;
  ASSERT_EQ(report.gaps.size(), 2u) << "tf32, bf16";
  for (const BenchGaps& gaps : report.gaps) {
    EXPECT_GT(gaps.kernels, 4 * 130) << "an evaluation of ours";
    EXPECT_LE(gaps.busy_s, gaps.span_s);
    EXPECT_GT(gaps.busy_s, 0);
  }
}

}  // namespace
}  // namespace fastsag::model
