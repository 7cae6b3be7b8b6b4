#pragma once
// How busy a GPU was with a piece of work, by its own clock: what CUPTI says of every kernel and copy, through
// LibTorch's profiler, those of a replayed CUDA graph too. What lies between them are launch gaps.
//
// Looking on may make kernels longer, and never shorter: gaps may be larger than they look. Not yet run on a GPU.
// Threads: one watches at a time. Errors: what the work throws.
#include <torch/torch.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace fastsag::model {

struct KernelTimes {
  int64_t kernels = 0;
  double busy = 0, span = 0;  // seconds: in which one or more ran; from the first one's begin to the last one's end
  double gaps() const { return span > 0 ? 1 - busy / span : 0; }  // share
};

struct KernelSpan {
  int64_t begin = 0, end = 0;  // ns
};
KernelTimes kernel_times(std::vector<KernelSpan> spans);

// Of `work`, which waits for the device itself. None where nothing ran on a GPU, or its driver lets nobody look on.
std::optional<KernelTimes> watched(const std::function<void()>& work);

}  // namespace fastsag::model
