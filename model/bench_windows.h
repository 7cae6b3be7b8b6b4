#pragma once
// The part of bench.h that holds for every preset: windows as the daemon asks for them, a row for each block and one
// for the window, and how they grow.
//
// Errors: as load_accompanist().
#include <array>
#include <string>
#include <utility>

#include "model/accompanist.h"
#include "model/bench.h"
#include "model/preset.h"

namespace fastsag::model {

inline constexpr std::array<std::pair<const char*, double Timing::*>, 5> kParts = {{{"front end", &Timing::front_end},
                                                                                    {"semantic", &Timing::semantic},
                                                                                    {"prior", &Timing::prior},
                                                                                    {"denoiser", &Timing::denoiser},
                                                                                    {"vocoder", &Timing::vocoder}}};

// Adds rows, rooms and speed-up to `report`. Work is counted (and `plain` run, where asked for) for small networks
// alone; `window` names the last row, whose parts are shown where `parts`.
struct WindowsAsked {
  std::string window = "window";
  bool parts = true;
  bool count = true, plain = true;
};
void bench_windows(const Preset& preset, const BenchRequest& request, const WindowsAsked& asked, BenchReport& report,
                   const std::function<void(const BenchRow&)>& show);

void bench_growth(const Preset& preset, const BenchRequest& request, BenchReport& report);

}  // namespace fastsag::model
