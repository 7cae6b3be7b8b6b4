#include "model/bench.h"

#include <optional>

#include "dsp/quantile.h"
#include "model/bench_windows.h"
#include "model/paper/bench.h"
#include "model/paper/bench_graphs.h"
#include "model/paper/device_work.h"
#include "model/paper/formula_files.h"
#include "model/paper/precision.h"
#include "model/peaks.h"
#include "model/plot.h"
#include "model/preset.h"
#include "model/torch_device.h"

namespace fastsag::model {
namespace {

double share(double amount, double seconds, double most) {
  return seconds > 0 && most > 0 ? amount / seconds / most : 0;
}

void count_starts(const Preset& preset, BenchReport& report) {
  const DeviceWork work = device_work(preset, 1);
  for (const auto& [name, part] : {std::pair("U-Net step", work.step), {"loop", work.walk}, {"vocoder", work.vocoder}})
    if (part.own.launches > 0)
      report.starts.push_back({name, part.own.launches, part.own.bytes, part.plain.launches, part.plain.bytes});
}

}  // namespace

double BenchRow::percentile(double q) const {
  if (seconds.empty()) return 0;
  return seconds[dsp::nearest_rank(seconds.size(), q)];
}

std::optional<double> BenchRow::tail(double q) const {
  if (static_cast<double>(seconds.size()) * (1 - q) < 1 - 1e-9) return {};
  return percentile(q);
}

double BenchRow::flop_share(const Peaks& peaks) const {
  return share(flop, median(), way == "bf16" ? peaks.bf16 : peaks.fp32);
}

double BenchRow::byte_share(const Peaks& peaks) const { return share(bytes, median(), peaks.copy); }

BenchReport bench(const BenchRequest& request, const std::function<void(const BenchRow&)>& show) {
  Preset preset = load_preset(request.preset, request.preset_dir);
  if (!request.precision.empty()) preset.precision = request.precision;
  const torch::Device device = torch_device(request.device);
  tune_device(device);  // peaks and the plain way, too
  at::set_num_threads(request.threads);
  BenchReport report{.weights = "from their file", .steps = request.steps.value_or(preset.denoiser.steps)};
  measure_peaks(device, report.peaks);
  std::optional<FormulaFiles> files;
  WindowsAsked asked;
  if (preset.form == "paper") {
    report.weights = files.emplace(preset).origin();
    report.precision = preset.precision = settled_precision(preset, device);
    preset.denoiser.steps = report.steps;
    if (device.is_cpu()) {
      bench_paper(preset, request, report, show);
      count_starts(preset, report);
    } else {
      bench_graphs(preset, request, {device, [device] { return cuda_stream(device); }}, report, show);
    }
    // Plain windows of a large network would take minutes on a CPU; the blocks above say as much.
    asked = {.window = "hop", .parts = false, .count = false, .plain = !device.is_cpu()};
  }
  bench_windows(preset, request, asked, report, show);
  measure_peaks(device, report.peaks);
  if (request.growth) bench_growth(preset, request, report);
  return report;
}

std::string growth_svg(const BenchReport& report) {
  std::vector<Panel> panels;
  for (const Growth& growth : report.growth) {
    const bool hop = growth.of == "hop_s";
    Panel panel{.title = hop ? "% of the hop that a window takes, by hop (s)"
                             : "ms of a window of " +
                                   std::string(growth.of == "rooms" ? "so many rooms" : "so many EDM evaluations"),
                .from_zero = true};
    for (size_t i = 0; i < report.parts.size(); ++i) {
      Curve curve{report.parts[i], {}};
      for (const Growth::Point& point : growth.points)
        curve.points.emplace_back(point.x, point.seconds[i] * (hop ? 100 / point.x : 1000));
      panel.curves.push_back(std::move(curve));
    }
    panels.push_back(std::move(panel));
  }
  return plot_svg(panels);
}

}  // namespace fastsag::model
