#include "tests/integration/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace fastsag::test {

using namespace std::chrono_literals;

Program::Program(const std::filesystem::path& program, const std::vector<std::string>& arguments,
                 std::filesystem::path log)
    : log_(std::move(log)) {
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), program.string());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int file = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  dup2(file, STDOUT_FILENO);
  dup2(file, STDERR_FILENO);
  execv(argv[0], argv.data());
  _exit(127);
}

Program::~Program() {
  if (exit_code_ || pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string Program::said() const {
  std::ifstream file(log_);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void Program::signal(int number) const {
  if (!exit_code_) kill(pid_, number);
}

std::optional<int> Program::wait(std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  for (int status = 0; !exit_code_;) {
    if (waitpid(pid_, &status, WNOHANG) == pid_)
      exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    else if (std::chrono::steady_clock::now() > until)
      break;
    else
      std::this_thread::sleep_for(20ms);
  }
  return exit_code_;
}

bool Program::wait_said(const std::string& text, std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (said().find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() > until || wait(20ms)) return said().find(text) != std::string::npos;
  }
  return true;
}

}  // namespace fastsag::test
