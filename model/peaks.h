#pragma once
// What this machine can do at most, measured: what other figures are a share of.
//
// A matrix product is timed in two spellings, torch.mm and a 3 x 3 convolution (one more matrix product, which takes
// another library's kernels: MKL's own is half as fast on some processors); the faster counts. A copy reads and writes.
// Threads: as at::set_num_threads says. Units: FLOP a second, bytes a second.
#include <torch/torch.h>

#include "model/bench.h"

namespace fastsag::model {

// The best of some runs, a second or two in all. It can only grow: call it at the beginning and at the end, as other
// programs may be in the way.
void measure_peaks(torch::Device device, Peaks& peaks);

}  // namespace fastsag::model
