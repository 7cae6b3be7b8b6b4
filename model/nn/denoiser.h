#pragma once
// The denoiser network of the lite preset: what a score cannot say is predicted from mu and a noisy residual. One
// dimension, over time, whole mel columns as channels: it mixes all frequencies in every layer.
//
// Shapes: x, mu [B][T][100]; mask [B][T][1] or undefined; c_noise [B] -> [B][T][100]. Fits DenoiserNetwork (edm.h).
// Source: FiLM, Perez et al. 2018; blocks of nn/temporal.h.
#include <torch/torch.h>

#include <span>
#include <vector>

#include "model/cuda/edm_step.h"
#include "model/edm.h"
#include "model/nn/temporal_fast.h"

namespace fastsag::model {

class DenoiserImpl : public torch::nn::Module {
 public:
  DenoiserImpl();
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                        const torch::Tensor& c_noise);

 private:
  friend class DenoiserWalk;
  // Scale and shift of each block: 2 * blocks of [B][1][channels].
  std::vector<torch::Tensor> film(const torch::Tensor& c_noise);

  torch::nn::Linear in_, level_, film_, out_;
  torch::nn::ModuleList blocks_;
};
TORCH_MODULE(Denoiser);

// Of a band's mix, what the denoiser says counts above 3 kHz and not below 2: there are hi-hats, bows and breath, here
// are partials, which its grain only muddies. mu, refined [..][100].
std::span<const float> grain_share();  // of each band, 0 to 1
torch::Tensor with_grain(const torch::Tensor& mu, const torch::Tensor& refined);

// edm_sample() of this network for inference on the CPU, by packed weights in loops of our own: nothing is allocated
// but by its Workspace. The residual form only, neither guided nor Heun's; what the noise levels tell the network is
// made once.
class DenoiserWalk {
 public:
  // Takes the weights as they are now. `share`, where given: of each band, how much of the residual is added.
  DenoiserWalk(Denoiser net, const EdmOptions& options, Precision precision, std::span<const float> share = {});

  // mel [frames][100] is mu and becomes the answer; noise alike, N(0, 1). Threads: any.
  void operator()(std::span<float> mel, std::span<const float> noise) const;

 private:
  struct Step {
    cuda::EdmRow row;                      // x is the residual
    std::vector<std::vector<float>> film;  // of the evaluation that follows; the last step has none
  };
  std::vector<Step> steps_;
  Dense in_, out_;
  std::vector<TemporalFast> blocks_;
  std::vector<float> share_;
};

}  // namespace fastsag::model
