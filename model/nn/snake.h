#pragma once
// BigVGAN's activation: SnakeBeta, x + sin^2(e^alpha x) / e^beta, at twice the sample rate between two low-pass
// filters, so that what it adds above half the sample rate does not fold back. Parameter names as published.
//
// Shapes: x [B][C][T] -> same; alpha, beta [C]; filter [12].
// Source: Lee et al. 2023 (BigVGAN), section 3.2; Karras et al. 2021 (StyleGAN3); REFERENCE.md section 11.
#include <torch/torch.h>

namespace fastsag::model {

inline constexpr int64_t kSnakeTaps = 12;
// Samples on either side that one output depends on: three rows of the doubled signal, which see three of x each.
inline constexpr int64_t kSnakeReach = 6;

torch::Tensor snake_filter();  // [12], Kaiser-windowed sinc, cutoff a quarter of the doubled rate, sum 1
torch::Tensor snake(const torch::Tensor& x, const torch::Tensor& alpha, const torch::Tensor& beta);
torch::Tensor snake_doubled(const torch::Tensor& x, const torch::Tensor& filter);  // [B][C][T] -> [B][C][2 T]
torch::Tensor snake_halved(const torch::Tensor& x, const torch::Tensor& filter);   // and back

class SnakeActivationImpl : public torch::nn::Module {
 public:
  explicit SnakeActivationImpl(int64_t channels);
  // Torch's operations one by one; nn/snake_fast.h does the same in one pass.
  torch::Tensor forward(const torch::Tensor& x);

  torch::Tensor alpha, beta, up_filter, down_filter;  // filters [1][1][12], constants that checkpoints hold
};
TORCH_MODULE(SnakeActivation);

}  // namespace fastsag::model
