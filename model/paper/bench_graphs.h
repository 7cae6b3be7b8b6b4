#pragma once
// paper/bench.h on a GPU: the blocks as the daemon has them there, prepared in TF32 and in bf16, recorded as CUDA
// graphs and replayed; and `window`, ten seconds of voice on the host made into as many of sound there, by generate().
// `plain` is the same modules an operator at a time (with TF32, too). Blocks are of one room.
//
// Times are of the wall, from one wait for the device to the next: a launch is part of them. What a block's graph is
// not (it could not be recorded) is said in BenchReport::remarks.
#include <functional>
#include <memory>

#include "model/bench.h"
#include "model/device_graph.h"
#include "model/nn/way.h"
#include "model/preset.h"

namespace fastsag::model {

// Where they run. Tests have a stream of the host and NetWay::gpu.
struct GraphBench {
  torch::Device device;
  std::function<std::unique_ptr<GraphStream>()> stream;
  NetWay way = NetWay::own;
};

// Adds to `report`.
void bench_graphs(const Preset& preset, const BenchRequest& request, const GraphBench& on, BenchReport& report,
                  const std::function<void(const BenchRow&)>& show);

}  // namespace fastsag::model
