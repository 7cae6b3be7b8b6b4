#pragma once
// How fast a preset is on this machine: each block of its model, a whole window, and windows as the daemon asks for
// them, in the ways that the machine has (fp32, on a GPU tf32; bf16) and, for comparison, as plain LibTorch operators.
// Weights are the preset's; where there are none, the formula's (formula.h), which take as long.
//
// Ways are run in turn, so that whatever else the machine does meets all of them; what the machine can do at most is
// measured in the same run, with the same threads.
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
  std::string precision;     // of the paper's form, in place of the preset's; empty: the preset's
  int threads = 2;
  int rooms = 1;     // windows in one generate()
  double hop_s = 1;  // new sound of each
  Ensemble style = Ensemble::piano;
  bool baseline = false;                      // also the plain way
  bool growth = false;                        // also how cost grows with rooms, steps and hop
  double seconds = 10;                        // of windows, each way; of blocks and of growth in proportion
  std::function<int64_t()> heap_allocations;  // of this program so far; none: not counted
};

// What the machine was seen to do at most: a matrix product, and a copy (bytes read and written).
struct Peaks {
  double fp32 = 0, bf16 = 0;  // FLOP a second; fp32 on a GPU in TF32
  double copy = 0;            // bytes a second
};

struct BenchRow {
  std::string block, way;       // way: "plain", "fp32", "tf32", "mixed", "bf16"
  double flop = 0, bytes = 0;   // of convolutions and matrix products (work_counter.h), as the model defines them, in
                                // the types that the way stores; 0: not counted
  std::vector<double> seconds;  // of each run, ascending
  bool summed = false;          // not run: seconds holds the sum of what it is made of
  int64_t peak_bytes = 0;       // of the whole process, or on the accelerator, while it ran; 0: not known
  std::optional<double> heap_allocations, tensor_allocations;  // of one run; none: not counted
  double percentile(double q) const;                           // nearest rank
  std::optional<double> tail(double q) const;  // the same, where so many runs say more than their maximum does
  double median() const { return percentile(.5); }
  double flop_share(const Peaks& peaks) const;  // of the matrix product's; 0: not counted
  double byte_share(const Peaks& peaks) const;  // of the copy's
};

// How long one generate() takes as one of these grows.
struct Growth {
  struct Point {
    double x = 0;
    std::vector<double> seconds;  // medians, of each of `parts`
  };
  std::string of;  // "rooms", "steps", "hop_s"
  std::vector<Point> points;
};

// What a GPU would be asked to do (paper/device_work.h), counted and not timed.
struct BenchStarts {
  std::string part;
  double own = 0, own_bytes = 0, plain = 0, plain_bytes = 0;  // kernels of ours and LibTorch's, operators of LibTorch's
};

// Launch gaps inside the recorded loop over the denoiser (kernel_times.h).
struct BenchGaps {
  std::string way;
  int64_t kernels = 0;
  double busy_s = 0, span_s = 0;
};

using Figures = std::vector<std::pair<std::string, double>>;

struct BenchReport {
  std::string weights;    // a word on where they come from
  std::string precision;  // of the denoiser and the vocoder of the paper's form
  int steps = 0;
  Peaks peaks;
  std::vector<BenchRow> rows;
  double seconds_a_room = 0;      // median of a window of all rooms by their number; 0: not run
  double rooms_in_real_time = 0;  // that a hop has time for
  Figures speedup;                // "BLOCK WAY" against plain, by medians
  Figures bf16_snr;  // dB of bf16 against fp32: "mel" and "sound" of a window, then every part of one U-Net step
  std::vector<BenchStarts> starts;
  std::vector<BenchGaps> gaps;
  std::vector<std::string> remarks;  // for a person: what did not run as its row says
  std::vector<std::string> parts;    // of windows, for growth
  std::vector<Growth> growth;
};

// `show` sees each row when it is measured.
BenchReport bench(const BenchRequest& request, const std::function<void(const BenchRow&)>& show);

// A picture of its growth, as SVG.
std::string growth_svg(const BenchReport& report);

}  // namespace fastsag::model
