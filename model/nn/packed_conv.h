#pragma once
// Convolutions for inference on the CPU: weights laid out once as oneDNN wants them, not at every call, images in
// channels_last. Where LibTorch lacks the operators (they serve its own compiler) plain convolutions answer.
//
// Shapes: [B][C][H][W], channels_last, of the type that was packed.
// Threads: one caller at a time; the first call packs.
#include <torch/torch.h>

#include <vector>

namespace fastsag::model {

class PackedConv {
 public:
  PackedConv() = default;
  // A 1-d convolution becomes one over images of height 1.
  PackedConv(const torch::nn::Conv1d& conv, torch::ScalarType type);
  PackedConv(const torch::nn::Conv2d& conv, torch::ScalarType type);
  PackedConv(const torch::nn::ConvTranspose1d& conv, torch::ScalarType type);
  PackedConv(const torch::nn::ConvTranspose2d& conv, torch::ScalarType type);

  torch::Tensor operator()(const torch::Tensor& x);
  torch::Tensor plus(const torch::Tensor& x, const torch::Tensor& other);  // conv(x) + other
  void add_to(torch::Tensor& sum, const torch::Tensor& x);                 // sum += conv(x)

 private:
  template <size_t D>
  PackedConv(const torch::Tensor& weight, const torch::Tensor& bias, const torch::nn::detail::ConvNdOptions<D>& options,
             torch::ScalarType type);
  void pack(const torch::Tensor& x);

  torch::Tensor weight_, bias_, packed_;
  std::vector<int64_t> stride_, padding_, dilation_;
  bool transposed_ = false;
};

}  // namespace fastsag::model
