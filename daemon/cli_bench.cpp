// fastsag bench: how fast a preset is on this machine, block by block.
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/cli.h"
#include "model/bench.h"

namespace fastsag::daemon {
namespace {

using model::BenchReport;
using model::BenchRow;

double rounded(double value, double unit) { return std::round(value / unit) * unit; }

void show(const BenchRow& row) {
  const auto count = [](const char* format, double value) {
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), format, value);
    return value > 0 ? std::string(text.data()) : std::string("-");
  };
  std::printf("%-11s %-5s %9s %5zu %10.1f %10.1f %10.1f %9s %9s\n", row.block.c_str(), row.way.c_str(),
              count("%.1f", row.flop * 1e-9).c_str(), row.seconds.size(), row.median() * 1e3, row.percentile(.95) * 1e3,
              row.percentile(.99) * 1e3, count("%.0f", row.flop / row.median() * 1e-9).c_str(),
              count("%.0f", static_cast<double>(row.peak_bytes) * 1e-6).c_str());
  std::fflush(stdout);
}

void print(const BenchReport& report) {
  if (!report.speedup.empty())
    std::puts("\nTimes as fast as the same modules run plainly (fp32, NCHW, an operator at a time):");
  for (const auto& [what, factor] : report.speedup) std::printf("  %-18s %.2f\n", what.c_str(), factor);
  if (!report.bf16_snr.empty()) std::puts("\nbf16 against fp32, dB; of a window, then where one U-Net step loses it:");
  for (const auto& [what, db] : report.bf16_snr) std::printf("  %-18s %.1f\n", what.c_str(), db);
  std::printf("\nWeights: %s.\n", report.weights.c_str());
}

nlohmann::json to_json(const model::BenchRequest& request, const BenchReport& report) {
  nlohmann::json rows = nlohmann::json::array(), speedup, snr;
  for (const BenchRow& row : report.rows) {
    rows.push_back({{"block", row.block},
                    {"way", row.way},
                    {"flop", row.flop > 0 ? nlohmann::json(row.flop) : nlohmann::json()},
                    {"runs", row.seconds.size()},
                    {"median_s", row.median()},
                    {"p95_s", row.percentile(.95)},
                    {"p99_s", row.percentile(.99)},
                    {"flop_per_s", row.flop > 0 ? nlohmann::json(row.flop / row.median()) : nlohmann::json()},
                    {"peak_memory_bytes", row.peak_bytes}});
  }
  for (const auto& [what, factor] : report.speedup) speedup[what] = rounded(factor, .001);
  for (const auto& [what, db] : report.bf16_snr) snr[what] = rounded(db, .01);
  return {{"preset", request.preset},
          {"style", model::name_of(request.style)},
          {"device", request.device},
          {"threads", request.threads},
          {"steps", report.steps},
          {"weights", report.weights},
          {"rows", rows},
          {"speedup", speedup},
          {"bf16_snr_db", snr}};
}

void run(const model::BenchRequest& request, bool json) {
  if (!json) {
    std::printf("preset %s on %s, %d threads\n", request.preset.c_str(), request.device.c_str(), request.threads);
    std::printf("%-11s %-5s %9s %5s %10s %10s %10s %9s %9s\n", "block", "way", "GFLOP", "runs", "median ms", "p95 ms",
                "p99 ms", "GFLOP/s", "peak MB");
  }
  const BenchReport report = model::bench(request, [json](const BenchRow& row) {
    if (!json) show(row);
  });
  if (json)
    std::printf("%s\n", to_json(request, report).dump(2).c_str());
  else
    print(report);
}

}  // namespace

void add_bench(CLI::App& app) {
  auto* command = app.add_subcommand("bench", "How fast a preset is here: each block of its model, and a whole window");
  auto request = std::make_shared<model::BenchRequest>();
  auto json = std::make_shared<bool>(false);
  request->threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  command->add_option("--preset", request->preset, "A preset's name, or the path of its .toml")->capture_default_str();
  command->add_option("--device", request->device, "cpu, cuda, cuda:1")->capture_default_str();
  command->add_option("--steps", request->steps, "EDM evaluations a window, in place of the preset's")
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", request->threads, "CPU threads")->check(CLI::PositiveNumber)->capture_default_str();
  command
      ->add_option_function<std::string>(
          "--style", [request](const std::string& name) { request->style = *model::ensemble_of(name); },
          "Who plays: piano, band or strings")
      ->check(CLI::IsMember(std::vector<std::string>(model::kEnsembles.begin(), model::kEnsembles.end())));
  command->add_flag("--baseline", request->baseline, "Also run the same modules plainly, for comparison");
  command->add_flag("--json", *json, "Print one JSON object");
  command->callback([request, json] { run(*request, *json); });
}

}  // namespace fastsag::daemon
