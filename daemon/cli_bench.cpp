// fastsag bench: how fast a preset is on this machine, block by block.
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/cli.h"
#include "dsp/error.h"
#include "dsp/heap_count.h"
#include "model/bench.h"

namespace fastsag::daemon {
namespace {

using model::BenchReport;
using model::BenchRow;

double rounded(double value, double unit) { return std::round(value / unit) * unit; }

std::string number(const char* format, double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, value);
  return text.data();
}

// "-" for what was not counted.
std::string counted(const char* format, double value) { return value > 0 ? number(format, value) : "-"; }
std::string counted(const std::optional<double>& value) { return value ? number("%.0f", *value) : "-"; }

// Digits where they say something: 0.0123, 1.23, 123.
std::string figure(double value) {
  return counted(value < .1 ? "%.4f" : value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
}

void print(const BenchRow& row, const model::Peaks& peaks) {
  const auto percent = [](double share) { return counted("%.1f", 100 * share); };
  const auto tail = [&row](double q) {
    const auto seconds = row.tail(q);
    return seconds ? figure(*seconds * 1e3) : "-";
  };
  std::printf("| %-10s | %-5s | %7s | %7s | %4s | %8s | %8s | %8s | %7s | %6s | %6s | %6s | %7s | %6s |\n",
              row.block.c_str(), row.way.c_str(), figure(row.flop * 1e-9).c_str(), figure(row.bytes * 1e-6).c_str(),
              row.summed ? "sum" : std::to_string(row.seconds.size()).c_str(), figure(row.median() * 1e3).c_str(),
              tail(.95).c_str(), tail(.99).c_str(), figure(row.flop / row.median() * 1e-9).c_str(),
              percent(row.flop_share(peaks)).c_str(), percent(row.byte_share(peaks)).c_str(),
              counted(row.heap_allocations).c_str(), counted(row.tensor_allocations).c_str(),
              counted("%.0f", static_cast<double>(row.peak_bytes) * 1e-6).c_str());
}

void print(const char* what, const char* format, const model::Figures& figures) {
  if (figures.empty()) return;
  std::printf("\n%s: ", what);
  for (size_t i = 0; i < figures.size(); ++i)
    std::printf("%s%s %s", i == 0 ? "" : ", ", figures[i].first.c_str(), number(format, figures[i].second).c_str());
  std::puts(".");
}

void print(const model::BenchGaps& gaps) {
  std::printf("Inside the recorded loop, %s: %lld kernels, busy %.2f of %.2f ms: launch gaps %.1f %%.\n",
              gaps.way.c_str(), static_cast<long long>(gaps.kernels), gaps.busy_s * 1e3, gaps.span_s * 1e3,
              100 * (1 - gaps.busy_s / gaps.span_s));
}

void print(const std::vector<model::BenchStarts>& starts, const std::string& precision) {
  if (starts.empty()) return;
  std::printf(
      "\nWhat a GPU is asked to do, counted: kernels started and GB moved in %s, against LibTorch's operators in "
      "fp32:\n\n"
      "| part | kernels | operators | times | GB | plain GB | times |\n|---|---|---|---|---|---|---|\n",
      precision.c_str());
  for (const auto& part : starts)
    std::printf("| %s | %.0f | %.0f | %.1f | %.3g | %.3g | %.1f |\n", part.part.c_str(), part.own, part.plain,
                part.plain / part.own, part.own_bytes * 1e-9, part.plain_bytes * 1e-9,
                part.plain_bytes / part.own_bytes);
}

void print(const model::BenchRequest& request, const BenchReport& report) {
  std::printf("preset %s on %s, %d threads, %d rooms, a hop of %g s, %d evaluations; weights %s\n\n",
              request.preset.c_str(), request.device.c_str(), request.threads, request.rooms, request.hop_s,
              report.steps, report.weights.c_str());
  std::printf("| %-10s | %-5s | %7s | %7s | %4s | %8s | %8s | %8s | %7s | %6s | %6s | %6s | %7s | %6s |\n", "block",
              "way", "GFLOP", "MB", "runs", "median ms", "p95 ms", "p99 ms", "GFLOP/s", "% peak", "% copy", "heap",
              "tensors", "RAM MB");
  std::puts("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
  for (const BenchRow& row : report.rows) print(row, report.peaks);
  std::printf("\nThe most that was seen here: %.0f GFLOP/s fp32, %.0f bf16 (a matrix product), %.1f GB/s (a copy).\n",
              report.peaks.fp32 * 1e-9, report.peaks.bf16 * 1e-9, report.peaks.copy * 1e-9);
  for (const BenchRow& row : report.rows)
    if (row.summed)
      std::printf("%s %s was not run: it is the sum of its parts, the U-Net step %d times.\n", row.block.c_str(),
                  row.way.c_str(), report.steps);
  for (const std::string& remark : report.remarks) std::printf("%s.\n", remark.c_str());
  for (const auto& gaps : report.gaps) print(gaps);
  if (report.seconds_a_room > 0)
    std::printf("A room takes %.1f ms of a hop of %g s: %.1f rooms in real time.\n", report.seconds_a_room * 1e3,
                request.hop_s, report.rooms_in_real_time);
  print("Times as fast as the same modules run plainly (an operator at a time)", "%.2f", report.speedup);
  print(report.starts, report.precision);
  print("bf16 against fp32, dB; of a window, then where one U-Net step loses it", "%.1f", report.bf16_snr);
}

nlohmann::json to_json(const BenchRow& row, const model::Peaks& peaks) {
  const auto known = [](double value, bool is) { return is ? nlohmann::json(value) : nlohmann::json(); };
  const auto optional = [](const std::optional<double>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
  };
  return {{"block", row.block},
          {"way", row.way},
          {"flop", known(row.flop, row.flop > 0)},
          {"bytes", known(row.bytes, row.bytes > 0)},
          {"runs", row.summed ? 0 : row.seconds.size()},
          {"summed", row.summed},
          {"median_s", row.median()},
          {"p95_s", optional(row.tail(.95))},
          {"p99_s", optional(row.tail(.99))},
          {"flop_per_s", known(row.flop / row.median(), row.flop > 0)},
          {"share_of_peak", known(row.flop_share(peaks), row.flop > 0)},
          {"share_of_copy", known(row.byte_share(peaks), row.bytes > 0)},
          {"heap_allocations", optional(row.heap_allocations)},
          {"tensor_allocations", optional(row.tensor_allocations)},
          {"peak_memory_bytes", row.peak_bytes}};
}

nlohmann::json to_json(const BenchReport& report, const model::Growth& growth) {
  nlohmann::json points = nlohmann::json::array();
  for (const auto& point : growth.points) {
    nlohmann::json seconds;
    for (size_t i = 0; i < report.parts.size(); ++i) seconds[report.parts[i]] = point.seconds[i];
    points.push_back({{growth.of, point.x}, {"median_s", seconds}});
  }
  return points;
}

nlohmann::json to_json(const model::BenchRequest& request, const BenchReport& report) {
  nlohmann::json rows = nlohmann::json::array(), starts = rows, gaps = rows, speedup, snr, growth;
  for (const auto& part : report.starts)
    starts.push_back({{"part", part.part},
                      {"kernels", part.own},
                      {"bytes", part.own_bytes},
                      {"plain_operators", part.plain},
                      {"plain_bytes", part.plain_bytes}});
  for (const auto& of : report.gaps)
    gaps.push_back({{"way", of.way}, {"kernels", of.kernels}, {"busy_s", of.busy_s}, {"span_s", of.span_s}});
  for (const BenchRow& row : report.rows) rows.push_back(to_json(row, report.peaks));
  for (const auto& [what, factor] : report.speedup) speedup[what] = rounded(factor, .001);
  for (const auto& [what, db] : report.bf16_snr) snr[what] = rounded(db, .01);
  for (const auto& of : report.growth) growth[of.of] = to_json(report, of);
  return {{"preset", request.preset},
          {"style", model::name_of(request.style)},
          {"device", request.device},
          {"threads", request.threads},
          {"rooms", request.rooms},
          {"hop_s", request.hop_s},
          {"steps", report.steps},
          {"weights", report.weights},
          {"precision", report.precision},
          {"peaks",
           {{"fp32_flop_per_s", report.peaks.fp32},
            {"bf16_flop_per_s", report.peaks.bf16},
            {"copy_bytes_per_s", report.peaks.copy}}},
          {"rows", rows},
          {"seconds_a_room", report.seconds_a_room},
          {"rooms_in_real_time", report.rooms_in_real_time},
          {"speedup", speedup},
          {"bf16_snr_db", snr},
          {"device_work", starts},
          {"launch_gaps", gaps},
          {"remarks", report.remarks},
          {"growth", growth}};
}

void write(const std::string& file, const std::string& text) {
  std::ofstream out(file);
  out << text;
  out.close();
  if (!out) throw Error("could not write " + file + "; expected a folder that exists and may be written to");
}

void run(model::BenchRequest request, bool json, const std::string& plot, const std::string& save) {
  request.growth = !plot.empty();
  if (dsp::counts_heap()) request.heap_allocations = dsp::heap_allocations;
  for (const std::string& file : {plot, save})
    if (!file.empty()) write(file, "");  // a wrong name is said before minutes of work
  const BenchReport report = model::bench(request, [](const BenchRow& row) {
    std::fprintf(stderr, "%s %s: %s ms\n", row.block.c_str(), row.way.c_str(), figure(row.median() * 1e3).c_str());
  });
  if (json)
    std::printf("%s\n", to_json(request, report).dump(2).c_str());
  else
    print(request, report);
  if (!plot.empty()) write(plot, model::growth_svg(report));
  if (!save.empty()) write(save, to_json(request, report).dump(2) + "\n");
}

}  // namespace

void add_bench(CLI::App& app) {
  auto* command =
      app.add_subcommand("bench", "How fast a preset is here: each block of its model, and windows of rooms");
  auto request = std::make_shared<model::BenchRequest>();
  auto json = std::make_shared<bool>(false);
  auto plot = std::make_shared<std::string>(), save = std::make_shared<std::string>();
  request->threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  command->add_option("--preset", request->preset, "A preset's name, or the path of its .toml")->capture_default_str();
  command->add_option("--device", request->device, "cpu, cuda, cuda:1")->capture_default_str();
  command->add_option("--rooms", request->rooms, "Windows made at once")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--hop", request->hop_s, "Seconds of new sound a window")
      ->check(CLI::Range(.2, 5.))
      ->capture_default_str();
  command->add_option("--steps", request->steps, "EDM evaluations a window, in place of the preset's")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--precision", request->precision,
                   "Of the paper's form: fp32, bf16 or auto, in place of the preset's")
      ->check(CLI::IsMember({"fp32", "bf16", "auto"}));
  command->add_option("--seconds", request->seconds, "Of windows in each way")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--threads", request->threads, "CPU threads")->check(CLI::PositiveNumber)->capture_default_str();
  command
      ->add_option_function<std::string>(
          "--style", [request](const std::string& name) { request->style = *model::ensemble_of(name); },
          "Who plays: piano, band or strings")
      ->check(CLI::IsMember(std::vector<std::string>(model::kEnsembles.begin(), model::kEnsembles.end())));
  command->add_flag("--baseline", request->baseline, "Also run the same modules plainly, for comparison");
  command->add_option("--plot", *plot, "Also measure how cost grows with rooms, steps and hop: a picture (SVG)");
  command->add_flag("--json", *json, "Print one JSON object");
  command->add_option("--save", *save, "Also write that object to a file");
  command->callback([request, json, plot, save] { run(*request, *json, *plot, *save); });
}

}  // namespace fastsag::daemon
