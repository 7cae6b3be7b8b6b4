#pragma once
// Perceiver IO as FastSAG has it: 32 latents ask the features, think, and 937 learned queries ask the latents for one
// mel column each. Nothing encodes where a feature frame was: its order does not matter to the answer.
//
// Shapes: [B][T][channels] -> [B][queries][bands]; T is free.
// Source: Jaegle et al. 2022; REFERENCE.md section 6.
#include <torch/torch.h>

#include <functional>
#include <string>

namespace fastsag::model {

// Multi-head attention behind its norms; `context_channels` 0: attends to its own normalised input, not to a context.
// Without its residual.
class LatentAttentionImpl : public torch::nn::Module {
 public:
  explicit LatentAttentionImpl(int64_t context_channels);
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& context = {});

 private:
  torch::nn::LayerNorm norm_, norm_context_{nullptr};
  torch::nn::Linear to_q_{nullptr}, to_kv_{nullptr}, to_out_{nullptr};
};
TORCH_MODULE(LatentAttention);

// LayerNorm, twice four times as wide, one half gating the other through GELU, back. Without its residual.
class LatentFeedForwardImpl : public torch::nn::Module {
 public:
  LatentFeedForwardImpl();
  torch::Tensor forward(const torch::Tensor& x);

 private:
  torch::nn::LayerNorm norm_;
  torch::nn::Linear up_{nullptr}, down_{nullptr};
};
TORCH_MODULE(LatentFeedForward);

class PerceiverIoImpl : public torch::nn::Module {
 public:
  PerceiverIoImpl(int64_t channels, int64_t queries, int64_t bands);
  // `visit`, where given, sees what each block adds, under the goldens' names.
  using Visit = std::function<void(const std::string& name, const torch::Tensor& value)>;
  torch::Tensor forward(const torch::Tensor& data, const Visit& visit = {});

 private:
  torch::Tensor latents_, queries_;
  LatentAttention cross_attention_, decoder_;
  LatentFeedForward cross_feed_forward_;
  std::vector<std::pair<LatentAttention, LatentFeedForward>> layers_;
  torch::nn::Linear to_logits_;
};
TORCH_MODULE(PerceiverIo);

// Training: the nine tenths of the frames with the largest draws [B][T], largest first, as published.
torch::Tensor drop_frames(const torch::Tensor& data, const torch::Tensor& draws);

}  // namespace fastsag::model
