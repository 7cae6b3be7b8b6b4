// What `fastsag info --device` says, of a device that is made up: none is needed.
#include "model/device_info.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tests/support/error_of.h"

namespace fastsag::model {
namespace {
namespace device_info {

using testing::HasSubstr;
const std::string kPresets = std::string(FASTSAG_SOURCE) + "/configs/presets/";

TEST(DeviceInfo, WhatEachGraphTakes) {
  DeviceStatus status{.device = "cuda:0", .graphs = {{1, 12'300'000}, {2, 500'000}, {4, 1'000'000'000}}};
  EXPECT_EQ(describe_device(status, "paper"),
            "preset paper on cuda:0: a CUDA graph for each batch; MB of device memory that each adds to those of more "
            "rooms\n  rooms        MB\n"
            "      1      12.3\n"
            "      2       0.5\n"
            "      4    1000.0\n"
            "    all    1012.8\n");
  status.graphs.clear();
  status.why_eager = "CUDA error: operation not permitted when stream is capturing";
  EXPECT_EQ(describe_device(status, "paper"),
            "preset paper on cuda:0: no CUDA graphs, an operator at a time\n"
            "not as a graph: CUDA error: operation not permitted when stream is capturing\n");
  status.remark = "a batch of 32 rooms does not fit";
  EXPECT_THAT(describe_device(status, "paper"), testing::EndsWith("capturing\na batch of 32 rooms does not fit\n"));
}

TEST(DeviceInfo, WithoutAGpu) {
  EXPECT_EQ(describe_device({.preset = kPresets + "paper.toml", .device = "cpu"}, 1),
            "preset paper on cpu: no CUDA graphs there\n")
      << "and no weights of 1.6 GB are made for that";
  EXPECT_EQ(describe_device({.preset = kPresets + "lite.toml", .device = "cpu"}, 1),
            "preset lite on cpu: no CUDA graphs there\n");
  EXPECT_THAT(test::error_of([] { describe_device({.preset = kPresets + "lite.toml", .device = "cuda"}, 1); }),
              HasSubstr("device \"cuda\" was asked for, but preset lite runs on the CPU"));
  if (torch::cuda::is_available()) GTEST_SKIP() << "there is a GPU here";
  const std::string said =
      test::error_of([] { describe_device({.preset = kPresets + "paper.toml", .device = "cuda"}, 1); });
  EXPECT_THAT(said, HasSubstr("device \"cuda\" was asked for, but "));
  EXPECT_EQ(said.find('\n'), std::string::npos) << said;
}

}  // namespace device_info
}  // namespace
}  // namespace fastsag::model
