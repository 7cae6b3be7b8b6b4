#pragma once
// The U-Net of unet.h for inference on a GPU: LibTorch's convolutions on channels_last images in bfloat16 or float
// (TF32), and between two of them a kernel of ours (device_ops.h). The same numbers, in another order of sums; on the
// CPU, with the kernels' references, it is what the golden tensors are held against.
//
// - Convolutions leave their bias to the step after them.
// - What the noise level adds is one product for all resnets, and may be made for all steps of a walk at once.
// - Attention never makes q or v (cuda/attention.h). Columns after the last frame need not be computed (unet_fast.h).
//
// Shapes: x, mu [B][100][W], W a multiple of 4; image [B][2][100][columns]; `added` [B or 1][all resnets' channels].
// Errors: DeviceError where the device refuses.
#include <torch/torch.h>

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/nn/device_ops.h"
#include "model/nn/unet.h"

namespace fastsag::model {

DeviceAttention device_attention(const UNetAttention& attention, torch::ScalarType type);

struct CudaBlock {
  CudaBlock(const UNetBlock& block, torch::ScalarType type);
  torch::Tensor operator()(const torch::Tensor& x, const DeviceFrames& frames, const DeviceRest& rest) const;
  DeviceConv conv;
  DeviceNorm norm;
};

struct CudaResnet {
  CudaResnet(const UNetResnet& resnet, torch::ScalarType type);
  // x is zero outside the mask.
  torch::Tensor operator()(const torch::Tensor& x, const DeviceFrames& frames, const torch::Tensor& added,
                           bool mask_residual) const;
  CudaBlock block1, block2;
  std::optional<DeviceConv> res_conv;
  int64_t first = 0, channels;  // where in `added` its own begin
};

struct CudaLevel {
  CudaLevel(const UNetLevel& level, torch::ScalarType type);
  CudaResnet resnet1, resnet2;
  DeviceAttention attention;
  std::optional<DeviceConv> change;  // of size
};

class UNetCuda {
 public:
  using Tap = std::function<void(const std::string& name, const torch::Tensor& value)>;
  using Frames = std::array<DeviceFrames, 3>;  // of the three levels

  UNetCuda(const UNetImpl& unet, torch::ScalarType type);
  static bool fits(const UNetImpl& unet);  // widths that the kernels are made for; others go the plain way

  // From UNetImpl::forward()'s inputs and time embedding; computes all columns.
  torch::Tensor operator()(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                           const torch::Tensor& time, const Tap& tap) const;

  // The parts of it, for a walk. mask [B or 1][W] of B images of that height, no frame from `columns` on.
  static int64_t columns_for(int64_t frames, int64_t width);  // the fewest that a window's last frame allows
  static Frames frames_of(const torch::Tensor& mask, int64_t items, int64_t height, int64_t columns);
  torch::Tensor added(const torch::Tensor& time) const;  // time [S][dim] -> [S][..]
  // [B][height][columns] float. With a tap it keeps what lies outside the mask, for it to see.
  torch::Tensor evaluate(torch::Tensor image, const Frames& frames, const torch::Tensor& added, const Tap& tap) const;
  torch::ScalarType type() const { return type_; }

 private:
  torch::ScalarType type_;
  std::vector<CudaLevel> downs_, ups_;
  CudaResnet mid_block1_, mid_block2_;
  DeviceAttention mid_attn_;
  CudaBlock final_block_;
  torch::Tensor final_weight_, final_bias_;
  torch::Tensor time_weight_, time_bias_;  // [dim][all], [all]
};

}  // namespace fastsag::model
