// run_processes of distributed.h: starts, signals and reaps the ranks of one machine.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <cstring>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "dsp/error.h"
#include "model/train/distributed.h"

extern char** environ;

namespace fastsag::model {
namespace {

// A port that nobody uses now. It is free again when the first rank binds it; a race is possible and then told.
int free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = descriptor >= 0 && bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (descriptor >= 0) close(descriptor);
  if (!bound) throw Error(std::string("no free port on the loopback interface: ") + std::strerror(errno));
  return ntohs(address.sin_port);
}

std::vector<std::string> environment_of(int rank, int count, int port) {
  const std::vector<std::string> ours = {"RANK=" + std::to_string(rank),
                                         "WORLD_SIZE=" + std::to_string(count),
                                         "MASTER_ADDR=127.0.0.1",
                                         "MASTER_PORT=" + std::to_string(port),
                                         "OMP_NUM_THREADS=1",
                                         "FASTSAG_STARTER=" + std::to_string(getpid())};
  std::vector<std::string> all = ours;
  for (char** entry = environ; *entry; ++entry) {
    const std::string_view text(*entry);
    const std::string_view name = text.substr(0, text.find('=') + 1);
    const bool replaced = std::any_of(ours.begin(), ours.end(), [&](const auto& own) { return own.starts_with(name); });
    if (!replaced) all.emplace_back(text);
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

pid_t spawn(std::vector<std::string> command, std::vector<std::string> environment, const sigset_t& mask) {
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &mask);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, command[0].c_str(), nullptr, &attributes, pointers(command).data(),
                                  pointers(environment).data());
  posix_spawnattr_destroy(&attributes);
  if (failed) throw Error("cannot start " + command[0] + ": " + std::strerror(failed));
  return child;
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

int run_processes(int count, const std::vector<std::string>& command) {
  sigset_t waited, before;
  sigemptyset(&waited);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&waited, signal);
  pthread_sigmask(SIG_BLOCK, &waited, &before);

  const int port = free_port();
  std::vector<pid_t> children;
  for (int rank = 0; rank < count; ++rank) {
    children.push_back(spawn(command, environment_of(rank, count, port), before));
  }
  const auto tell_all = [&](int signal) {
    for (const pid_t child : children) kill(child, signal);
  };

  int result = 0;
  while (!children.empty()) {
    int signal = 0;
    if (sigwait(&waited, &signal) != 0) continue;
    if (signal != SIGCHLD) tell_all(SIGTERM);
    for (size_t i = 0; i < children.size();) {
      int status = 0;
      if (waitpid(children[i], &status, WNOHANG) != children[i]) {
        ++i;
        continue;
      }
      children.erase(children.begin() + static_cast<std::ptrdiff_t>(i));
      if (exit_code(status) != 0 && result == 0) {
        result = exit_code(status);
        tell_all(SIGKILL);  // they would wait for the one that is gone
      }
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return result;
}

void end_with_starter() {
  const char* starter = std::getenv("FASTSAG_STARTER");
  if (!starter) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (std::to_string(getppid()) != starter) std::raise(SIGKILL);  // it ended before it could be asked for
}

}  // namespace fastsag::model
