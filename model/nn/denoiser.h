#pragma once
// The denoiser network of the lite preset: what a score cannot say is predicted from mu and a noisy residual. One
// dimension, over time, whole mel columns as channels: it mixes all frequencies in every layer.
//
// Shapes: x, mu [B][T][100]; mask [B][T][1] or undefined; c_noise [B] -> [B][T][100]. Fits DenoiserNetwork (edm.h).
// Source: FiLM, Perez et al. 2018; blocks of nn/temporal.h.
#include <torch/torch.h>

#include <memory>
#include <vector>

#include "model/nn/dense.h"

namespace fastsag::model {

class DenoiserImpl : public torch::nn::Module {
 public:
  DenoiserImpl();
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                        const torch::Tensor& c_noise);
  // For inference on the CPU: takes the weights as they are now; forward() of a prepared one, without mask or
  // gradients, goes by packed weights.
  void prepare(Precision precision);

 private:
  torch::Tensor fast(const torch::Tensor& x, const torch::Tensor& mu, const std::vector<torch::Tensor>& film) const;

  torch::nn::Linear in_, level_, film_, out_;
  torch::nn::ModuleList blocks_;
  struct Fast;
  std::shared_ptr<const Fast> fast_;
};
TORCH_MODULE(Denoiser);

// Of a band's mix, what the denoiser says counts above 3 kHz and not below 2: there are hi-hats, bows and breath, here
// are partials, which its grain only muddies. mu, refined [..][100].
torch::Tensor with_grain(const torch::Tensor& mu, const torch::Tensor& refined);

}  // namespace fastsag::model
