#pragma once
// bench.h for presets of the paper's form.
#include "model/bench.h"
#include "model/preset.h"

namespace fastsag::model {

BenchReport bench_paper(const Preset& preset, const BenchRequest& request,
                        const std::function<void(const BenchRow&)>& show);

}  // namespace fastsag::model
