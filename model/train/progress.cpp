#include "model/train/progress.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "dsp/error.h"
#include "model/atomic_file.h"
#include "model/plot.h"

namespace fastsag::model {
namespace {

constexpr int64_t kStepsARow = 10;  // training figures are logged as the mean of so many steps
constexpr const char* kHeader = "seconds,part,step,split,figure,value";

std::string row_text(const LogRow& row) {
  std::array<char, 64> numbers{};
  std::snprintf(numbers.data(), numbers.size(), "%.1f", row.seconds);
  std::string text = numbers.data();
  std::snprintf(numbers.data(), numbers.size(), "%.6g", row.value);
  text.append(",").append(row.part).append(",").append(std::to_string(row.step)).append(",").append(row.split);
  return text.append(",").append(row.figure).append(",").append(numbers.data());
}

std::vector<Panel> panels_of(const std::vector<LogRow>& rows) {
  // A panel a part and split: losses of training and figures of validation live on different scales.
  std::map<std::string, std::map<std::string, Curve>> found;
  for (const LogRow& row : rows) {
    if (row.figure == "gradient" || row.figure == "waiting") continue;
    const bool loss = row.figure == "loss";
    const std::string title = row.part + (loss ? ": loss" : row.split == "train" ? ": training" : ": validation");
    Curve& curve = found[title][row.split + " " + row.figure];
    curve.label = loss ? row.split : row.figure;
    curve.points.emplace_back(static_cast<double>(row.step), row.value);
  }
  std::vector<Panel> panels;
  for (auto& [title, curves] : found) {
    Panel panel{title, {}};
    for (auto& [name, curve] : curves) panel.curves.push_back(std::move(curve));
    panels.push_back(std::move(panel));
  }
  return panels;
}

}  // namespace

std::string clock_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e8) return "?";
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  std::array<char, 48> text{};
  if (whole >= 3600) {
    std::snprintf(text.data(), text.size(), "%lld:%02d:%02d", static_cast<long long>(whole / 3600),
                  static_cast<int>(whole / 60 % 60), static_cast<int>(whole % 60));
  } else {
    std::snprintf(text.data(), text.size(), "%d:%02d", static_cast<int>(whole / 60), static_cast<int>(whole % 60));
  }
  return text.data();
}

std::vector<LogRow> read_log(const std::filesystem::path& file) {
  std::vector<LogRow> rows;
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  if (in && line != kHeader)
    throw Error(file.string() + ": is no training log (first line: " + line.substr(0, 60) + ")");
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    std::array<std::string, 6> f;
    for (std::string& field : f) std::getline(fields, field, ',');
    try {
      rows.push_back({std::stod(f[0]), f[1], std::stoll(f[2]), f[3], f[4], std::stod(f[5])});
    } catch (const std::logic_error&) {
      throw Error(file.string() + ": line " + std::to_string(rows.size() + 2) + " is no row of a training log");
    }
  }
  return rows;
}

Progress::Progress(std::filesystem::path folder, const std::map<std::string, int64_t>& resumed_steps, bool terminal)
    : folder_(std::move(folder)), terminal_(terminal), begin_(std::chrono::steady_clock::now()) {
  if (resumed_steps.empty()) return;
  for (LogRow& row : read_log(folder_ / "log.csv")) {
    const auto resumed = resumed_steps.find(row.part);
    if (resumed == resumed_steps.end() || row.step > resumed->second) continue;
    seconds_before_ = std::max(seconds_before_, row.seconds);
    rows_.push_back(std::move(row));
  }
}

double Progress::seconds() const {
  return seconds_before_ + std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

void Progress::trained(const std::string& part, int64_t step, const Figures& figures) {
  Mean& mean = means_[part];
  for (const auto& [name, value] : figures) mean.sums[name] += value;
  ++mean.count;
  if (step % kStepsARow != 0) return;
  for (const auto& [name, sum] : mean.sums) {
    rows_.push_back({seconds(), part, step, "train", name, sum / static_cast<double>(mean.count)});
    if (name == "waiting") waited_[part] = rows_.back().value;
    if (name == "loss") last_loss_[part] = rows_.back().value;
  }
  mean = {};
}

void Progress::validated(const std::string& part, int64_t step, const Figures& figures) {
  std::string line = part + " step " + std::to_string(step) + " validation:";
  for (const auto& [name, value] : figures) {
    rows_.push_back({seconds(), part, step, "validate", name, value});
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), " %.4g", value);
    line.append(" ").append(name).append(text.data());
  }
  std::fprintf(stderr, "%s%s\n", terminal_ ? "\r\033[K" : "", line.c_str());
}

void Progress::show(double share, const std::string& part, int64_t step, int64_t steps, double windows_a_second,
                    double seconds_left, bool now) {
  const auto time = std::chrono::steady_clock::now();
  const auto pause = terminal_ ? std::chrono::milliseconds(250) : std::chrono::milliseconds(30000);
  if (!now && shown_.time_since_epoch().count() != 0 && time - shown_ < pause) return;
  shown_ = time;
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), "%3.0f %%  %s %lld", 100 * share, part.c_str(), static_cast<long long>(step));
  std::string line = text.data();
  if (steps > 0) line.append("/").append(std::to_string(steps));
  if (!last_loss_.empty()) line.append("  loss");
  for (const auto& [name, loss] : last_loss_) {
    std::snprintf(text.data(), text.size(), "  %s %.4g", name.c_str(), loss);
    line.append(text.data());
  }
  if (const auto waited = waited_.find(part); waited != waited_.end()) {
    std::snprintf(text.data(), text.size(), "  waiting for data %.1f %%", 100 * waited->second);
    line.append(text.data());
  }
  std::snprintf(text.data(), text.size(), "  %.1f windows/s  %s left", windows_a_second,
                clock_text(seconds_left).c_str());
  line.append(text.data());
  std::fprintf(stderr, terminal_ ? "\r\033[K%s" : "%s\n", line.c_str());
  if (terminal_) std::fflush(stderr);
}

void Progress::save() {
  std::string text = std::string(kHeader) + "\n";
  for (const LogRow& row : rows_) text.append(row_text(row)).append("\n");
  AtomicFile log(folder_ / "log.csv");
  log.write(text);
  log.commit();
}

void Progress::draw() {
  AtomicFile plot(folder_ / "plot.svg");
  plot.write(plot_svg(panels_of(rows_)));
  plot.commit();
}

std::map<std::string, double> Progress::last_validation() const {
  std::map<std::string, double> figures;
  for (const LogRow& row : rows_) {
    if (row.split == "validate") figures[row.part + "." + row.figure] = row.value;
  }
  return figures;
}

}  // namespace fastsag::model
