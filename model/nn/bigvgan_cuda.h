#pragma once
// BigVGAN of bigvgan.h for inference on a GPU: LibTorch's convolutions on signals laid out sample by sample, and
// between two of them a kernel of ours (device_ops.h): the anti-aliased activation in one pass, biases and sums in
// another. The same numbers, in another order of sums; on the CPU, with the kernels' references, it is what the golden
// tensors are held against.
//
// Shapes: as BigVgan. Errors: DeviceError where the device refuses.
#include <torch/torch.h>

#include <vector>

#include "model/nn/bigvgan.h"
#include "model/nn/device_ops.h"

namespace fastsag::model {

DeviceSnake device_snake(const SnakeActivation& activation);

struct CudaAmpBlock {
  CudaAmpBlock(const AmpBlock& block, torch::ScalarType type);
  torch::Tensor operator()(torch::Tensor x) const;

  std::vector<DeviceConv> convs1, convs2;
  std::vector<DeviceSnake> activations;
};

class BigVganCuda {
 public:
  BigVganCuda(const BigVganImpl& vocoder, torch::ScalarType type);

  using Tap = std::function<void(const std::string& name, const torch::Tensor& value)>;
  torch::Tensor operator()(const torch::Tensor& mel, const Tap& tap) const;  // before the final tanh or clamp, float

 private:
  torch::ScalarType type_;
  DeviceConv conv_pre_, conv_post_;
  std::vector<DeviceConv> ups_;
  std::vector<CudaAmpBlock> blocks_;
  DeviceSnake activation_post_;
};

}  // namespace fastsag::model
