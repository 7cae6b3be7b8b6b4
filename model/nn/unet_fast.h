#pragma once
// The U-Net of unet.h for inference on the CPU: packed convolutions on channels_last images, and between two of them
// one pass of our own. The same numbers, in another order of sums.
//
// What differs from reading unet.h line by line:
// - Group norm, Mish, time, mask and residual are one pass.
// - An attention never makes q or v, both linear: what it saw of x per key is folded with the weights around it into
//   one matrix that x is multiplied by.
// - The columns after the last frame are not computed. Convolutions see zeros there and answer with their bias, which
//   the norms' sums are told of; an attention's keys there are 0, which its sums are told of too.
//
// Shapes: as UNet, image [B][2][100][W].
#include <torch/torch.h>

#include <vector>

#include "model/nn/packed_conv.h"
#include "model/nn/unet.h"

namespace fastsag::model {

// The frames of one level of the image.
struct FastFrames {
  torch::Tensor mask;  // [B or 1][1][1][columns], float
  int64_t absent;      // pixels of the published width that are left out
};

// Group norm and Mish after a convolution.
struct FastBlock {
  FastBlock(const UNetBlock& block, torch::ScalarType type);
  // In place: (mish(norm(conv(x))) + extra) * mask + residual. extra [B][C] and residual may be undefined.
  torch::Tensor operator()(const torch::Tensor& x, const FastFrames& frames, const torch::Tensor& extra,
                           const torch::Tensor& residual);
  PackedConv conv;
  torch::Tensor conv_bias, gain, bias;
  int64_t groups;
};

struct FastResnet {
  FastResnet(const UNetResnet& resnet, torch::ScalarType type);
  // x is zero outside the mask; what comes out is so where the widths agree.
  torch::Tensor operator()(const torch::Tensor& x, const FastFrames& frames, const torch::Tensor& time);
  torch::Tensor time_weight, time_bias;
  FastBlock block1, block2;
  std::optional<PackedConv> res_conv;
};

struct FastAttention {
  FastAttention(const UNetAttention& attention);
  void operator()(torch::Tensor& x, int64_t absent) const;  // in place
  torch::Tensor to_q, to_k, to_v, to_out, bias;             // float; to_k transposed
  double gain;
};

struct FastLevel {
  FastLevel(const UNetLevel& level, torch::ScalarType type);
  FastResnet first, second;
  FastAttention attention;
  std::optional<PackedConv> change;  // of size
};

class UNetFast {
 public:
  UNetFast(const UNetImpl& unet, torch::ScalarType type);
  // Lengths and types that this way is made for; anything else goes the plain way.
  static bool fits(const UNetImpl& unet, const torch::Tensor& x);

  // With a tap all columns are computed, for it to see.
  using Tap = std::function<void(const std::string& name, const torch::Tensor& value)>;
  torch::Tensor operator()(const torch::Tensor& image, const torch::Tensor& mask, const torch::Tensor& time,
                           const Tap& tap);

 private:
  torch::ScalarType type_;
  std::vector<FastLevel> downs_, ups_;
  FastResnet mid_block1_, mid_block2_;
  FastAttention mid_attn_;
  FastBlock final_block_;
  PackedConv final_conv_;
};

}  // namespace fastsag::model
