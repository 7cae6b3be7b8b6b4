// Which batch runs, what is recorded and what is not: with a stream of the host in place of a GPU's.
#include "model/device_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/accompanist.h"
#include "model/torch_device.h"
#include "tests/support/error_of.h"
#include "tests/support/host_stream.h"

namespace fastsag::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(BatchSizes, PowersOfTwoUpToTheFirstThatHoldsThem) {
  EXPECT_THAT(batch_sizes(0), ElementsAre(1));
  EXPECT_THAT(batch_sizes(1), ElementsAre(1));
  EXPECT_THAT(batch_sizes(5), ElementsAre(1, 2, 4, 8));
  EXPECT_THAT(batch_sizes(1000), ElementsAre(1, 2, 4, 8, 16, 32)) << "more rooms take turns";
  EXPECT_EQ(batch_for({1, 2, 4}, 3), 4);
  EXPECT_EQ(batch_for({1, 2, 4}, 4), 4);
  EXPECT_EQ(batch_for({1, 2, 4}, 9), 4);
}

TEST(DeviceGraph, WarmsUpRecordsAndReplays) {
  test::HostStream stream;
  const torch::Tensor in = torch::ones({3});
  torch::Tensor out;
  int runs = 0;
  DeviceGraph graph(stream, [&] { out = in * ++runs; });
  EXPECT_TRUE(graph.recorded()) << graph.why_eager();
  EXPECT_EQ(stream.runs, stream.warm_ups()) << "cuDNN chooses before it is recorded";
  EXPECT_EQ(graph.bytes(), test::HostStream::kBytes);
  in.fill_(10);
  graph.run();
  EXPECT_EQ(stream.replays, 1);
  EXPECT_EQ(out[0].item<float>(), 10.f * static_cast<float>(runs));
}

TEST(DeviceGraph, WhatCannotBeRecordedRunsAsItIs) {
  test::HostStream stream;
  stream.refuses = "operation not permitted when stream is capturing\nand a trace";
  int runs = 0;
  DeviceGraph graph(stream, [&] { ++runs; });
  EXPECT_FALSE(graph.recorded());
  EXPECT_EQ(graph.why_eager(), "operation not permitted when stream is capturing");
  const int before = runs;
  graph.run();
  EXPECT_EQ(runs, before + 1);
  EXPECT_EQ(stream.replays, 0);
}

TEST(DeviceGraph, WhatFailsBeforeRecordingIsNoReasonToGoOn) {
  test::HostStream stream;
  EXPECT_THAT(test::error_of([&] { DeviceGraph(stream, [] { throw Error("lost"); }); }), HasSubstr("lost"));
}

class TorchDevice : public testing::Test {
 protected:
  std::string error(const std::string& name, int64_t needed = 0) const {
    return test::error_of([&] { torch_device(name, facts_, needed); });
  }
  DeviceFacts facts_{.cuda_built = true,
                     .driver = 13000,
                     .runtime = 13000,
                     .devices = 1,
                     .capability = 90,
                     .model = "GPU X",
                     .free_bytes = 8'000'000'000,
                     .total_bytes = 24'000'000'000};
};

TEST_F(TorchDevice, IsTheOneNamed) {
  EXPECT_EQ(torch_device("cpu"), torch::Device(torch::kCPU));
  EXPECT_EQ(torch_device("cuda", facts_), torch::Device(torch::kCUDA, 0));
  facts_.devices = 2;
  EXPECT_EQ(torch_device("cuda:1", facts_), torch::Device(torch::kCUDA, 1));
  for (const char* none : {"gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1000", "", "CUDA"})
    EXPECT_THAT(error(none), HasSubstr("expected \"cpu\", \"cuda\" or \"cuda:N\"")) << none;
}

TEST_F(TorchDevice, SaysWhyItCannotBeUsed) {
  EXPECT_THAT(error("cuda", 9'000'000'000),
              HasSubstr("the GPU X has 8.0 GB of its 24.0 GB free, and about 9.0 GB are needed; end other programs"));
  facts_.refusal = "CUDA-capable device(s) is/are busy or unavailable";
  EXPECT_THAT(error("cuda"), HasSubstr("the GPU X cannot be had (CUDA-capable device(s) is/are busy or unavailable); "
                                       "end the program that holds it alone"));
  facts_.capability = 75;
  EXPECT_THAT(error("cuda"), HasSubstr("compute capability 7.5, this program needs 8.0"));
  EXPECT_THAT(error("cuda:3"), HasSubstr("there are 1 GPUs, cuda:0 to cuda:0"));
  facts_.devices = 0;
  EXPECT_THAT(error("cuda"), HasSubstr("the driver sees no GPU"));
  facts_.driver = 12040;
  EXPECT_THAT(error("cuda"), HasSubstr("runs CUDA 12.4 at most, this program needs 13.0; update the driver"));
  facts_.driver = 0;
  EXPECT_THAT(error("cuda"), HasSubstr("device \"cuda\" was asked for, but no NVIDIA driver was found"));
  facts_.cuda_built = false;
  EXPECT_THAT(error("cuda"), HasSubstr("built without CUDA"));
}

TEST(DeviceFailure, IsADeviceErrorInWords) {
  const auto thrown = [](const auto& fail) -> std::string {
    try {
      try {
        fail();
      } catch (const c10::Error&) {
        throw_from_device({torch::kCUDA, 0}, "writing a window");
      }
    } catch (const DeviceError& error) {
      return error.what();
    } catch (const std::exception& error) {
      return std::string("not the device's: ") + error.what();
    }
    return {};
  };
  const c10::SourceLocation here = {"function", "file", 1};
  EXPECT_THAT(thrown([&] { throw c10::OutOfMemoryError(here, "CUDA out of memory. Tried to allocate 2 GiB"); }),
              testing::AllOf(HasSubstr("cuda:0, writing a window: its memory is full (CUDA out of memory"),
                             HasSubstr("lower engine.max_rooms")));
  EXPECT_THAT(thrown([&] { throw c10::AcceleratorError(here, 999, "CUDA error: unspecified launch failure"); }),
              HasSubstr("failed or was lost (CUDA error: unspecified launch failure)"));
  EXPECT_THAT(thrown([&] { throw c10::Error(here, "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"); }),
              HasSubstr("the device failed (cuDNN error"));
  EXPECT_THAT(thrown([&] { throw c10::Error(here, "shapes differ"); }), HasSubstr("not the device's: shapes differ"));
}

}  // namespace
}  // namespace fastsag::model
