#pragma once
// What the small 1-D networks share. Features lie last, [batch][frames][channels]: norms and linear layers then need
// no transposition, and a convolution over time is one matrix product of three shifted copies.
#include <torch/torch.h>

#include "model/nn/temporal_fast.h"

namespace fastsag::model {

// [B][T][C] -> [B][T][3 C]: frames t - dilation, t, t + dilation; zeros beyond the ends.
torch::Tensor neighbours(const torch::Tensor& x, int64_t dilation);

// x + SiLU(conv3(LN x)), then x + FFN(LN x), both residual.
class TemporalBlockImpl : public torch::nn::Module {
 public:
  TemporalBlockImpl(int64_t channels, int64_t dilation);
  torch::Tensor forward(torch::Tensor x);  // [B][T][channels]
  // The same with a shift and scale of the normalised input, [B][1 or T][channels] each (FiLM).
  torch::Tensor forward(torch::Tensor x, const torch::Tensor& scale, const torch::Tensor& shift);
  TemporalFast fast(Precision precision) const {
    return {{conv_norm_, ffn_norm_, conv_, up_, down_, dilation_}, precision};
  }

 private:
  torch::Tensor mix(const torch::Tensor& x, const torch::Tensor& normalised);
  int64_t dilation_;
  torch::nn::LayerNorm conv_norm_, ffn_norm_;
  torch::nn::Linear conv_, up_, down_;
};
TORCH_MODULE(TemporalBlock);

}  // namespace fastsag::model
