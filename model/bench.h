#pragma once
// How fast a preset is on this machine: each block of its model and a whole window, in the ways that the machine has
// (fp32, bf16) and, for comparison, as plain LibTorch operators. Weights are the preset's; where there are none, the
// formula's (formula.h), which take as long.
//
// Ways are run in turn, so that whatever else the machine does meets all of them.
// Errors: fastsag::Error where the preset or the device is none.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "model/ensemble.h"

namespace fastsag::model {

struct BenchRequest {
  std::string preset = "lite";
  std::filesystem::path preset_dir;
  std::string device = "cpu";
  std::optional<int> steps;  // EDM evaluations of a window, in place of the preset's
  int threads = 2;
  Ensemble style = Ensemble::piano;
  bool baseline = false;  // also the plain way
};

struct BenchRow {
  std::string block, way;             // way: "plain", "fp32", "bf16"
  double flop = 0;                    // of convolutions and matrix products, as the model defines them; 0: not counted
  std::vector<double> seconds;        // of each run, ascending
  int64_t peak_bytes = 0;             // of the whole process while it ran; 0: not known
  double percentile(double q) const;  // nearest rank
  double median() const { return percentile(.5); }
};

using Figures = std::vector<std::pair<std::string, double>>;

struct BenchReport {
  std::string weights;  // a word on where they come from
  int steps = 0;
  std::vector<BenchRow> rows;
  Figures speedup;   // "BLOCK WAY" against plain, by medians
  Figures bf16_snr;  // dB of bf16 against fp32: "mel" and "sound" of a window, then every part of one U-Net step
};

// `show` sees each row when it is measured.
BenchReport bench(const BenchRequest& request, const std::function<void(const BenchRow&)>& show);

}  // namespace fastsag::model
