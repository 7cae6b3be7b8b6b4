#pragma once
// bench.h for presets of the paper's form on a CPU: its blocks, and a window of 10 s in which all of it is new. On a
// GPU: bench_graphs.h.
#include "model/bench.h"
#include "model/preset.h"

namespace fastsag::model {

// Adds to `report`.
void bench_paper(const Preset& preset, const BenchRequest& request, BenchReport& report,
                 const std::function<void(const BenchRow&)>& show);

}  // namespace fastsag::model
