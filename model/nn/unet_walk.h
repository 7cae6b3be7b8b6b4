#pragma once
// The walk of edm.h from noise to a mel as a GPU makes it: UNetCuda's evaluations, and one kernel (cuda/edm_step.h)
// between two of them. The noise levels' part of all evaluations is made once. The published form only: neither
// residual nor guided nor Heun's.
//
// The first walk of a number of steps makes their tables, which asks the device; any later one can be recorded as a
// CUDA graph, and the tables stay for it.
// Shapes: noise, mu, known [B][bands][width] float; known_frames [B][1][width]; columns from `frames` on are outside
// the window.
// Errors: DeviceError where the device refuses.
#include <torch/torch.h>

#include <map>

#include "model/edm.h"
#include "model/nn/unet_cuda.h"

namespace fastsag::model {

// [steps + 1][4]: the rows of edm_step().
torch::Tensor edm_table(const EdmOptions& options);

class UNetWalk {
 public:
  explicit UNetWalk(UNet unet) : unet_(std::move(unet)) {}  // prepared as for a GPU

  struct Inputs {
    torch::Tensor noise, mu;
    torch::Tensor known, known_frames;  // both or neither
    int64_t frames;
  };
  torch::Tensor operator()(const EdmOptions& options, const Inputs& in);

 private:
  struct Steps {
    torch::Tensor table, added;  // added [steps][..]
  };
  const Steps& steps(const EdmOptions& options, torch::Device device);

  UNet unet_;
  std::map<std::pair<int, double>, Steps> steps_;  // by number and the highest level
};

}  // namespace fastsag::model
