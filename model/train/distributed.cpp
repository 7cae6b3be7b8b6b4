#include "model/train/distributed.h"

#if __has_include(<gloo/context.h>)
#define FASTSAG_GLOO
#ifndef USE_C10D_GLOO
#define USE_C10D_GLOO  // LibTorch has it always; without the CUDA toolkit nothing else says so
#endif
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
// Between GPUs, where this LibTorch and this machine have it.
#if defined(USE_C10D_NCCL) && __has_include(<nccl.h>) && __has_include(<cuda_runtime_api.h>)
#define FASTSAG_NCCL
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif
#pragma GCC diagnostic pop
#endif

#include <cstdlib>

#include "dsp/error.h"

namespace fastsag::model {
namespace {

int environment_number(const char* name, int lowest, int highest) {
  const char* text = std::getenv(name);
  char* end = nullptr;
  const long value = text ? std::strtol(text, &end, 10) : -1;
  if (!text || end == text || *end || value < lowest || value > highest) {
    throw Error("environment variable " + std::string(name) + " is " + (text ? text : "not set") +
                ", expected a number from " + std::to_string(lowest) + " to " + std::to_string(highest) +
                "; start with --processes or torchrun");
  }
  return static_cast<int>(value);
}

}  // namespace

#ifdef FASTSAG_GLOO

struct Group::Backend {
  c10::intrusive_ptr<c10d::Backend> peers;
};

Group Group::from_environment(torch::DeviceType device) {
  Group group;
  if (!std::getenv("WORLD_SIZE")) return group;
  group.world_ = environment_number("WORLD_SIZE", 1, 4096);
  group.rank_ = environment_number("RANK", 0, group.world_ - 1);
  if (group.world_ == 1) return group;
  const char* address = std::getenv("MASTER_ADDR");
  if (!address) throw Error("environment variable MASTER_ADDR is not set; start with --processes or torchrun");

  c10d::TCPStoreOptions store_options;
  store_options.port = static_cast<uint16_t>(environment_number("MASTER_PORT", 1, 65535));
  store_options.isServer = group.rank_ == 0;
  store_options.numWorkers = static_cast<size_t>(group.world_);
  store_options.timeout = std::chrono::seconds(120);
  try {
    auto store = c10::make_intrusive<c10d::TCPStore>(address, store_options);
    group.backend_ = std::make_unique<Backend>();
#ifdef FASTSAG_NCCL
    if (device == torch::kCUDA) {
      auto nccl = c10d::ProcessGroupNCCL::Options::create();
      nccl->timeout = std::chrono::minutes(60);  // as below
      group.backend_->peers =
          c10::make_intrusive<c10d::ProcessGroupNCCL>(std::move(store), group.rank_, group.world_, std::move(nccl));
      return group;
    }
#endif
    if (device != torch::kCPU) throw Error("this build has no NCCL: train on a GPU in one process");
    auto options = c10d::ProcessGroupGloo::Options::create(std::chrono::minutes(60));  // the first rank validates alone
    options->devices.push_back(c10d::ProcessGroupGloo::createDefaultDevice());
    group.backend_->peers =
        c10::make_intrusive<c10d::ProcessGroupGloo>(std::move(store), group.rank_, group.world_, std::move(options));
  } catch (const c10::Error& error) {
    throw Error("rank " + std::to_string(group.rank_) + " cannot reach the others at " + address + ":" +
                std::to_string(store_options.port) + ": " + error.what_without_backtrace());
  }
  return group;
}

void Group::average(torch::Tensor& flat) {
  if (!backend_) return;
  std::vector<torch::Tensor> tensors{flat};
  backend_->peers->allreduce(tensors)->wait();
  flat.div_(world_);
}

void Group::broadcast(torch::Tensor& flat) {
  if (!backend_) return;
  std::vector<torch::Tensor> tensors{flat};
  backend_->peers->broadcast(tensors)->wait();
}

#else

struct Group::Backend {};

Group Group::from_environment(torch::DeviceType) {
  if (std::getenv("WORLD_SIZE") && environment_number("WORLD_SIZE", 1, 4096) > 1) {
    throw Error("this build trains in one process only: Gloo's headers (Debian: libgloo-dev) were not there");
  }
  return Group();
}

void Group::average(torch::Tensor&) {}
void Group::broadcast(torch::Tensor&) {}

#endif

Group::Group() = default;
Group::Group(Group&&) noexcept = default;
Group& Group::operator=(Group&&) noexcept = default;
Group::~Group() = default;

}  // namespace fastsag::model
