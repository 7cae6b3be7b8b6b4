#pragma once
// Training in several processes, one a core: two torch threads in one process are far slower than one thread in each
// of two. Ranks find each other by torchrun's environment variables (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT) and
// average through c10d's Gloo, on GPUs through its NCCL.
//
// Threads: each process uses a Group from one thread. Every rank makes the same calls in the same order.
// Errors: fastsag::Error where the variables make no sense or nobody answers; c10d's own where a peer goes away.
#include <torch/torch.h>

#include <memory>
#include <string>
#include <vector>

namespace fastsag::model {

class Group {
 public:
  Group();  // one process, nobody to talk to
  // `device`: where the tensors will lie.
  static Group from_environment(torch::DeviceType device = torch::kCPU);
  Group(Group&&) noexcept;
  Group& operator=(Group&&) noexcept;
  ~Group();

  int rank() const { return rank_; }
  int world() const { return world_; }
  bool first() const { return rank_ == 0; }
  void average(torch::Tensor& flat);    // in place, over all ranks; the same bits on each
  void broadcast(torch::Tensor& flat);  // in place, from the first rank

 private:
  struct Backend;
  std::unique_ptr<Backend> backend_;
  int rank_ = 0, world_ = 1;
};

// Runs `command` `count` times with the variables set, one thread each; what torchrun does on one machine. SIGINT and
// SIGTERM go on to all of them; where one fails the others are ended. Returns the first exit code that is not 0.
int run_processes(int count, const std::vector<std::string>& command);
// In a process that run_processes started: from now on it ends with that one, be it killed. Else ranks would go on
// without anybody who knows of them, and write the checkpoint of the run that follows.
void end_with_starter();

}  // namespace fastsag::model
