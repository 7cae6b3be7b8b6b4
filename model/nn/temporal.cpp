#include "model/nn/temporal.h"

namespace fastsag::model {

namespace F = torch::nn::functional;

torch::Tensor neighbours(const torch::Tensor& x, int64_t dilation) {
  const int64_t frames = x.size(1);
  const torch::Tensor padded = F::pad(x, F::PadFuncOptions({0, 0, dilation, dilation}));
  return torch::cat({padded.narrow(1, 0, frames), x, padded.narrow(1, 2 * dilation, frames)}, 2);
}

TemporalBlockImpl::TemporalBlockImpl(int64_t channels, int64_t dilation)
    : dilation_(dilation),
      conv_norm_(register_module("conv_norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({channels})))),
      ffn_norm_(register_module("ffn_norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({channels})))),
      conv_(register_module("conv", torch::nn::Linear(3 * channels, channels))),
      up_(register_module("up", torch::nn::Linear(channels, 2 * channels))),
      down_(register_module("down", torch::nn::Linear(2 * channels, channels))) {}

torch::Tensor TemporalBlockImpl::mix(const torch::Tensor& x, const torch::Tensor& normalised) {
  const torch::Tensor y = x + torch::silu(conv_(neighbours(normalised, dilation_)));
  return y + down_(torch::silu(up_(ffn_norm_(y))));
}

torch::Tensor TemporalBlockImpl::forward(torch::Tensor x) { return mix(x, conv_norm_(x)); }

torch::Tensor TemporalBlockImpl::forward(torch::Tensor x, const torch::Tensor& scale, const torch::Tensor& shift) {
  return mix(x, conv_norm_(x) * (1 + scale) + shift);
}

}  // namespace fastsag::model
