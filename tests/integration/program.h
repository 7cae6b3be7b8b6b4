#pragma once
// A program of ours as a person runs it: what it says, and how it ends.
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace fastsag::test {

class Program {
 public:
  // Standard output and error go to `log`.
  Program(const std::filesystem::path& program, const std::vector<std::string>& arguments, std::filesystem::path log);
  ~Program();  // kills it, where it still runs
  Program(const Program&) = delete;

  std::string said() const;
  void signal(int number) const;
  // Exit code (128 + n where signal n ended it), or none when it still runs after that time.
  std::optional<int> wait(std::chrono::milliseconds patience);
  bool wait_said(const std::string& text, std::chrono::milliseconds patience);

 private:
  pid_t pid_ = -1;
  std::filesystem::path log_;
  std::optional<int> exit_code_;
};

}  // namespace fastsag::test
