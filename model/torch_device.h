#pragma once
// The device that a person named, and what it says when it fails.
//
// Errors: fastsag::Error where it is not there, too old or too small; DeviceError (accompanist.h) where it fails while
// it works.
#include <torch/torch.h>

#include <cstdint>
#include <exception>
#include <string>

#include "model/preset.h"

namespace fastsag::model {

// What is known of a GPU before anything runs on it. Versions as CUDA counts them: 13000 = 13.0.
struct DeviceFacts {
  bool cuda_built = false;  // this program, with CUDA
  int driver = 0;           // the newest CUDA that the driver runs; 0: no driver
  int runtime = 0;          // the CUDA that this program was built with
  int devices = 0;
  int capability = 0;  // of the one asked for: 90 = 9.0
  std::string model;
  int64_t free_bytes = 0, total_bytes = 0;
  std::string refusal;  // the driver's words where it is there and cannot be had
};
inline constexpr int kOldestCapability = 80;  // cmake/Torch.cmake: the architectures that kernels are compiled for

// "cpu", "cuda", "cuda:1". Where it names a GPU that cannot be used, or has less than needed_bytes free: throws.
torch::Device torch_device(const std::string& name, int64_t needed_bytes = 0);
// The same for facts that a test makes up.
torch::Device torch_device(const std::string& name, const DeviceFacts& facts, int64_t needed_bytes = 0);
DeviceFacts device_facts(int index);

// Once, for networks of that precision on a GPU: products of float in TF32, cuDNN chooses by trying.
void tune_device(torch::Device device);

// The message without where in LibTorch it arose.
std::string first_line(const std::exception& error);

// From a catch block: throws on what is caught, as a DeviceError where it is the device that failed. `what` was being
// done: "writing a window".
[[noreturn]] void throw_from_device(torch::Device device, const std::string& what);

}  // namespace fastsag::model
