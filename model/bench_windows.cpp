#include "model/bench_windows.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "model/allocation_count.h"
#include "model/bench_rooms.h"
#include "model/nn/dense.h"
#include "model/paper/accompanist.h"
#include "model/stopwatch.h"
#include "model/torch_device.h"
#include "model/work_counter.h"

namespace fastsag::model {
namespace {

const std::string kPlain = "plain";
constexpr int kFewest = 3, kMost = 200, kWarmUp = 3;
constexpr double kTooMany = 6;  // times the seconds asked for: then fewer will do

// What each part of a window asks LibTorch to compute, found at the laps of their watches.
class WorkOfParts final : public LapObserver {
 public:
  explicit WorkOfParts(const Timing& timing) : timing_(timing) {}
  void lap(const double& seconds) override {
    const CountedWork now = counter_.work();
    for (size_t i = 0; i < kParts.size(); ++i) {
      if (&(timing_.*kParts[i].second) == &seconds) work[i] += now - seen_;
    }
    seen_ = now;
  }
  CountedWork all() const { return counter_.work(); }

  std::array<CountedWork, kParts.size()> work;

 private:
  const Timing& timing_;
  WorkCounter counter_;
  CountedWork seen_;
};

double seconds_of(const std::function<void()>& body) {
  double seconds = 0;
  Stopwatch watch;
  body();
  watch.lap(seconds);
  return seconds;
}

// Windows of one way, and the rows of its parts with the window's last.
class Way {
 public:
  Way(const std::string& name, const Preset& preset, const BenchRequest& request, const std::string& window)
      : request_(request), accompanist_(load(name, preset, request)), rooms_(*accompanist_, rooms_of(request)) {
    for (const auto& part : kParts) rows_.push_back({part.first, name});
    rows_.push_back({window, name});
    for (BenchRow& row : rows_) row.seconds.reserve(kMost);  // not to be counted among a window's allocations
  }

  double run() {
    rooms_.ask();
    const double seconds = seconds_of([this] { rooms_.generate(); });
    rooms_.remember();
    return seconds;
  }
  DeviceStatus status() const { return accompanist_->device_status(); }
  void warm_up() {
    double seconds = 0;
    for (int i = 0; i < kWarmUp && (i == 0 || seconds < request_.seconds / 2); ++i) seconds += run();
  }
  void measure(torch::Device device, const TensorAllocations& tensors) {
    rooms_.ask();
    reset_peak(device);
    const int64_t tensors_before = tensors.count(), heap_before = heap();
    rows_.back().seconds.push_back(seconds_of([this] { rooms_.generate(); }));
    tensors_ += tensors.count() - tensors_before;
    heap_ += heap() - heap_before;
    for (BenchRow& row : rows_) row.peak_bytes = std::max(row.peak_bytes, peak_bytes(device));
    for (size_t i = 0; i < kParts.size(); ++i)
      rows_[i].seconds.push_back(accompanist_->last_timing().*kParts[i].second);
    rooms_.remember();
  }
  // One window more, in which all is counted.
  std::vector<CountedWork> count() {
    const WorkOfParts counted(accompanist_->last_timing());
    run();
    std::vector<CountedWork> work(counted.work.begin(), counted.work.end());
    work.push_back(counted.all());
    return work;
  }
  std::vector<BenchRow> rows() const {
    std::vector<BenchRow> rows = rows_;
    for (BenchRow& row : rows) std::sort(row.seconds.begin(), row.seconds.end());
    const auto windows = static_cast<double>(rows.back().seconds.size());
    rows.back().tensor_allocations = static_cast<double>(tensors_) / windows;
    if (request_.heap_allocations) rows.back().heap_allocations = static_cast<double>(heap_) / windows;
    return rows;
  }

 private:
  // `preset` may name other weights than its file (formula_files.h).
  static std::unique_ptr<Accompanist> load(const std::string& way, const Preset& preset, const BenchRequest& request) {
    AccompanistOptions options{.preset = request.preset, .device = request.device, .steps = request.steps};
    options.preset_dir = request.preset_dir;
    options.threads = request.threads;
    options.plain = way == kPlain;
    std::unique_ptr<Accompanist> accompanist;
    if (preset.form == "paper")
      accompanist = std::make_unique<PaperAccompanist>(preset, options);
    else
      accompanist = load_accompanist(options);
    check_style(*accompanist, request.style);
    accompanist->prepare(request.rooms);
    return accompanist;
  }
  static RoomsRequest rooms_of(const BenchRequest& request) { return {request.rooms, request.hop_s, request.style}; }
  int64_t heap() const { return request_.heap_allocations ? request_.heap_allocations() : 0; }

  const BenchRequest& request_;
  std::unique_ptr<Accompanist> accompanist_;
  BenchRooms rooms_;
  std::vector<BenchRow> rows_;
  int64_t tensors_ = 0, heap_ = 0;
};

// How its products are made where they are not made plainly.
std::string precision_of(const Preset& preset, torch::Device device) {
  if (preset.form != "paper") return std::string(name_of(fastest_precision()));
  const bool tf32 = preset.precision == "fp32" && device.is_cuda();
  return tf32 ? "tf32" : preset.precision;
}

// What is halved is weights alone: values go from step to step as floats (nn/dense.h). Of "mixed", which reads halves
// where rows are few alone, it is the most that it may be.
void set_work(std::vector<BenchRow>& rows, const std::vector<CountedWork>& work) {
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].flop = work[i].flop;
    rows[i].bytes = work[i].value_bytes + work[i].weight_bytes / (rows[i].way == "bf16" ? 2 : 1);
  }
}

}  // namespace

void bench_windows(const Preset& preset, const BenchRequest& request, const WindowsAsked& asked, BenchReport& report,
                   const std::function<void(const BenchRow&)>& show) {
  const torch::Device device = torch_device(request.device);
  const bool plain = asked.plain && request.baseline;
  std::vector<CountedWork> work;
  std::vector<std::unique_ptr<Way>> ways;
  if (plain || asked.count) {
    ways.push_back(std::make_unique<Way>(kPlain, preset, request, asked.window));
    ways.back()->warm_up();
    if (asked.count) work = ways.back()->count();
  }
  if (!plain) ways.clear();
  ways.push_back(std::make_unique<Way>(precision_of(preset, device), preset, request, asked.window));
  ways.back()->warm_up();

  const TensorAllocations tensors(device);
  const double seconds = request.seconds * static_cast<double>(ways.size());
  double spent = 0;
  for (int i = 0; i < kMost && (i < kFewest ? spent < kTooMany * seconds : spent < seconds); ++i)
    spent += seconds_of([&] { std::ranges::for_each(ways, [&](auto& way) { way->measure(device, tensors); }); });

  std::vector<std::vector<BenchRow>> rows;
  for (const auto& way : ways) rows.push_back(way->rows());
  for (size_t i = 0; i <= kParts.size(); ++i) {
    if (!asked.parts && i < kParts.size()) continue;
    for (auto& way : rows) {
      if (!work.empty()) set_work(way, work);
      show(way[i]);
      report.rows.push_back(way[i]);
    }
    const double fast = rows.back()[i].median();
    if (plain && fast > 0)
      report.speedup.emplace_back(rows.back()[i].block + " " + rows.back()[i].way, rows[0][i].median() / fast);
  }
  const DeviceStatus status = ways.back()->status();
  if (!status.why_eager.empty())
    report.remarks.push_back(asked.window + ": no graphs (" + status.why_eager + "), an operator at a time");
  if (!status.remark.empty()) report.remarks.push_back(asked.window + ": " + status.remark);
  report.seconds_a_room = rows.back().back().median() / request.rooms;
  report.rooms_in_real_time = request.hop_s / report.seconds_a_room;
}

void bench_growth(const Preset& preset, const BenchRequest& request, BenchReport& report) {
  const torch::Device device = torch_device(request.device);
  const double each = request.seconds / 5;  // of a point
  constexpr double kTooLong = 20;           // seconds of a window
  report.parts.assign({"window"});
  for (const auto& part : kParts) report.parts.emplace_back(part.first);
  const auto sweep = [&](const std::string& of, const std::vector<double>& values, const auto& set) {
    Growth growth{of, {}};
    for (const double value : values) {
      BenchRequest at = request;
      at.seconds = each;
      set(at, value);
      Way way(precision_of(preset, device), preset, at, "window");
      way.warm_up();
      const TensorAllocations tensors(device);
      double spent = 0;
      for (int i = 0; i < kMost && (i < kFewest || spent < each); ++i)
        spent += seconds_of([&] { way.measure(device, tensors); });
      const std::vector<BenchRow> rows = way.rows();
      Growth::Point point{value, {rows.back().median()}};
      for (size_t i = 0; i < kParts.size(); ++i) point.seconds.push_back(rows[i].median());
      growth.points.push_back(std::move(point));
      if (rows.back().median() > kTooLong) break;
    }
    report.growth.push_back(std::move(growth));
  };
  sweep("rooms", {1, 2, 4, 8, 16}, [](BenchRequest& at, double value) { at.rooms = static_cast<int>(value); });
  sweep("steps", {1, 2, 4, 8, 16}, [](BenchRequest& at, double value) { at.steps = static_cast<int>(value); });
  sweep("hop_s", {.25, .5, 1, 2, 4}, [](BenchRequest& at, double value) { at.hop_s = value; });
}

}  // namespace fastsag::model
