#include "model/bench.h"

#include <algorithm>

#include "dsp/quantile.h"
#include "dsp/tune.h"
#include "model/accompanist.h"
#include "model/memory.h"
#include "model/paper/bench.h"
#include "model/preset.h"
#include "model/stopwatch.h"

namespace fastsag::model {
namespace {

// Windows of a tune, one hop after another, as a room would ask for them.
BenchReport bench_windows(const Preset& preset, const BenchRequest& request,
                          const std::function<void(const BenchRow&)>& show) {
  constexpr int kWindows = 20;
  AccompanistOptions options{.preset = request.preset, .device = request.device, .steps = request.steps};
  options.preset_dir = request.preset_dir;
  options.threads = request.threads;
  const auto accompanist = load_accompanist(options);
  check_style(*accompanist, request.style);
  accompanist->prepare(1);
  const std::vector<float> voice = dsp::sung_tune(accompanist->window_samples());
  const std::vector<std::pair<std::string, double Timing::*>> parts = {{"front end", &Timing::front_end},
                                                                       {"semantic", &Timing::semantic},
                                                                       {"prior", &Timing::prior},
                                                                       {"denoiser", &Timing::denoiser},
                                                                       {"vocoder", &Timing::vocoder}};
  std::vector<BenchRow> rows;
  for (const auto& part : parts) rows.push_back({part.first, "fp32"});
  rows.push_back({"window", "fp32"});
  Controls controls{.style = request.style};
  if (request.style != Ensemble::piano)  // a scale has no pulse to be sure of, and a band without one does not play
    controls.pulse = Pulse{.period = .6 * kSampleRate, .beats_per_bar = 4, .confidence = 1};
  WindowResult result;
  reset_peak();
  for (int i = 0; i < kWindows; ++i) {
    const Plan past = std::move(result.plan);
    const int64_t end = accompanist->window_samples() + i * 2 * kSampleRate;
    const WindowRequest window{.voice = voice,
                               .voice_end = end,
                               .write_begin = end - 2 * kSampleRate,
                               .write_end = end,
                               .known_end = end - 2 * kSampleRate,
                               .past = i == 0 ? nullptr : &past,
                               .controls = controls};
    result = {};
    Stopwatch watch;
    accompanist->generate({&window, 1}, {&result, 1});
    watch.lap(rows.back().seconds.emplace_back());
    for (size_t k = 0; k < parts.size(); ++k) rows[k].seconds.push_back(accompanist->last_timing().*parts[k].second);
  }
  BenchReport report{.weights = "from their file", .steps = request.steps.value_or(preset.denoiser.steps)};
  for (BenchRow& row : rows) {
    std::sort(row.seconds.begin(), row.seconds.end());
    row.peak_bytes = peak_bytes();
    show(row);
  }
  report.rows = std::move(rows);
  return report;
}

}  // namespace

double BenchRow::percentile(double q) const {
  if (seconds.empty()) return 0;
  return seconds[dsp::nearest_rank(seconds.size(), q)];
}

BenchReport bench(const BenchRequest& request, const std::function<void(const BenchRow&)>& show) {
  const Preset preset = load_preset(request.preset, request.preset_dir);
  return preset.form == "paper" ? bench_paper(preset, request, show) : bench_windows(preset, request, show);
}

}  // namespace fastsag::model
