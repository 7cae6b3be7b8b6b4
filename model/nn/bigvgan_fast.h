#pragma once
// BigVGAN of bigvgan.h for inference on the CPU: packed convolutions on signals laid out sample by sample (channels
// last), and each anti-aliased activation in one pass: the doubled signal lives in the cache only, its even and odd
// samples apart, so that nothing is padded, interleaved or thrown away. The same numbers, in another order of sums.
//
// Shapes: as BigVgan.
#include <torch/torch.h>

#include <vector>

#include "model/nn/bigvgan.h"
#include "model/nn/packed_conv.h"

namespace fastsag::model {

struct FastSnake {
  explicit FastSnake(const SnakeActivation& activation);
  torch::Tensor operator()(const torch::Tensor& x) const;  // [B][C][1][T], channels_last

  torch::Tensor alpha, gain, up, down;  // as SnakeArgs wants them
};

struct FastAmpBlock {
  FastAmpBlock(const AmpBlock& block, torch::ScalarType type);
  torch::Tensor operator()(const torch::Tensor& x);

  std::vector<PackedConv> convs1, convs2;
  std::vector<FastSnake> activations;
};

class BigVganFast {
 public:
  BigVganFast(const BigVganImpl& vocoder, torch::ScalarType type);

  using Tap = std::function<void(const std::string& name, const torch::Tensor& value)>;
  torch::Tensor operator()(const torch::Tensor& mel, const Tap& tap);  // before the final tanh or clamp, float

 private:
  torch::ScalarType type_;
  PackedConv conv_pre_, conv_post_;
  std::vector<PackedConv> ups_;
  std::vector<FastAmpBlock> blocks_;
  FastSnake activation_post_;
};

}  // namespace fastsag::model
