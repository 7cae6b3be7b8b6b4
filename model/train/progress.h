#pragma once
// What a person sees of a training run: one line on the terminal, a CSV log (seconds, part, step, split, figure,
// value) and a plot of it. A resumed run goes on in the same log: rows after the step it resumes from are dropped, so
// that no step is told twice.
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace fastsag::model {

// "1:02:03", "4:05", "?" where it is not known (negative).
std::string clock_text(double seconds);

// Rows of log.csv.
struct LogRow {
  double seconds = 0;
  std::string part;
  int64_t step = 0;
  std::string split;  // train, validate
  std::string figure;
  double value = 0;
};
std::vector<LogRow> read_log(const std::filesystem::path& file);

class Progress {
 public:
  using Figures = std::map<std::string, double>;

  // `resumed_steps`: of every part, the step that the log goes on from; a part that is not named starts anew.
  Progress(std::filesystem::path folder, const std::map<std::string, int64_t>& resumed_steps, bool terminal);

  void trained(const std::string& part, int64_t step, const Figures& figures);
  void validated(const std::string& part, int64_t step, const Figures& figures);
  // At most a few times a second on a terminal, twice a minute elsewhere; `now` forces it.
  void show(double share, const std::string& part, int64_t step, int64_t steps, double windows_a_second,
            double seconds_left, bool now = false);
  void save();  // the log; like the plot whole or not at all
  void draw();  // the plot
  double seconds() const;
  // The last validation of every part: "part.figure" -> value.
  std::map<std::string, double> last_validation() const;

 private:
  struct Mean {
    Figures sums;
    int64_t count = 0;
  };

  std::filesystem::path folder_;
  bool terminal_;
  double seconds_before_ = 0;  // of the runs that this one continues
  std::chrono::steady_clock::time_point begin_, shown_;
  std::vector<LogRow> rows_;
  std::map<std::string, Mean> means_;
  std::map<std::string, double> last_loss_;
  std::map<std::string, double> waited_;  // share of the time in which a part waited for its data
};

}  // namespace fastsag::model
