#pragma once
// The steps that the paper's nets are made of on a GPU: kernels of our own (model/cuda) and LibTorch's convolutions and
// products between them. Tensors on the CPU go through the kernels' references, so that the same nets run there and are
// held to the golden tensors.
//
// No step waits for the device or asks it anything, and what is allocated comes from LibTorch's pool: a sequence of
// them can be recorded as a CUDA graph.
// Shapes: images [B][C][H][W], channels_last, float or bfloat16; a signal is an image of height 1. Vectors are float.
// Errors: DeviceError where the device refuses.
#include <torch/torch.h>

#include <vector>

#include "model/cuda/edm_step.h"

namespace fastsag::model {

// Of this thread's steps, since the last time it was set to {}: kernels of ours that were started (LibTorch's are not
// among them), and what they read and write of images.
struct LaunchCount {
  int64_t launches = 0;
  double bytes = 0;
};
LaunchCount& launch_count();

// A convolution without its bias, which the next step adds. Weights are copied: cast, laid out as images are.
class DeviceConv {
 public:
  DeviceConv() = default;
  DeviceConv(const torch::nn::Conv1d& conv, torch::ScalarType type);  // over images of height 1
  DeviceConv(const torch::nn::Conv2d& conv, torch::ScalarType type);
  DeviceConv(const torch::nn::ConvTranspose1d& conv, torch::ScalarType type);
  DeviceConv(const torch::nn::ConvTranspose2d& conv, torch::ScalarType type);
  torch::Tensor operator()(const torch::Tensor& x) const;

  torch::Tensor bias;  // [C], zeros where it has none

 private:
  template <size_t D>
  DeviceConv(const torch::Tensor& weight, const torch::Tensor& bias, const torch::nn::detail::ConvNdOptions<D>& options,
             torch::ScalarType type);
  torch::Tensor weight_;
  std::vector<int64_t> stride_, padding_, dilation_;
  bool transposed_ = false;
};

// The frames of one level of an image.
struct DeviceFrames {
  torch::Tensor mask;     // [B or 1][width], float, dense
  torch::Tensor arrived;  // [B] int, zeros: norm_mish's
  int64_t absent = 0;     // pixels of the published width that are left out
};

struct DeviceNorm {
  torch::Tensor bias, gain, move;  // [C]: of the convolution before; of the norm
};

// What follows norm and Mish; all may be undefined.
struct DeviceRest {
  torch::Tensor extra;          // [B or 1][C], last stride 1: added to Mish's answer
  torch::Tensor residual;       // an image
  torch::Tensor residual_bias;  // [C]
  bool mask_residual = true;
};

// x = (mish(norm(x)) + extra) * mask + residual.
void norm_mish(torch::Tensor& x, const DeviceNorm& norm, const DeviceFrames& frames, const DeviceRest& rest);

// (x + other + bias) * scale * mask, written to `out`, which may be x; what is undefined is left out.
struct PixelRest {
  torch::Tensor other, bias, mask;  // mask [B or 1][W]
  float scale = 1;
};
void pixels(const torch::Tensor& x, const PixelRest& rest, torch::Tensor& out);

// [B][H][W] float: (weight . x + bias) * mask; weight [C], bias [1].
torch::Tensor project(const torch::Tensor& x, const torch::Tensor& weight, const torch::Tensor& bias,
                      const DeviceFrames& frames);

struct DeviceSnake {
  torch::Tensor alpha, gain, up, down;  // as SnakeRunArgs wants them
};
// Of x + bias, where there is one.
torch::Tensor snake_run(const torch::Tensor& x, const DeviceSnake& snake, const torch::Tensor& bias);

struct DeviceAttention {
  torch::Tensor to_k, to_q;          // [C][128], of the images' type
  torch::Tensor to_v, to_out, bias;  // as FoldArgs wants them; bias [C]
};
// x += attention(x), times mask where that is defined.
void attend(torch::Tensor& x, const DeviceAttention& attention, int64_t absent, const torch::Tensor& mask);

torch::Tensor joined(const torch::Tensor& a, const torch::Tensor& b);  // along channels

// A step of the walk: see cuda/edm_step.h. `raw` and `image` may be undefined; they have the image's width, which may
// be less than x's. `known` and `known_mask` both or neither.
struct EdmBuffers {
  torch::Tensor table;  // [rows][4] float, edm_rows()
  torch::Tensor x, mu, noise, known, known_mask;
};
void edm_step(const EdmBuffers& buffers, int64_t row, const torch::Tensor& raw, const DeviceFrames& frames,
              torch::Tensor& image);

}  // namespace fastsag::model
