#pragma once
// The device that a person named. Errors: fastsag::Error where it is not there.
#include <torch/torch.h>

#include <string>

#include "dsp/error.h"

namespace fastsag::model {

inline torch::Device torch_device(const std::string& name) {
  if (name != "cpu" && !torch::cuda::is_available())
    throw Error("device \"" + name + "\" was asked for, but there is no CUDA device (or driver); use cpu");
  return torch::Device(name);
}

}  // namespace fastsag::model
