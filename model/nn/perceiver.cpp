#include "model/nn/perceiver.h"

namespace fastsag::model {
namespace {

constexpr int64_t kWidth = 256, kLatents = 32, kLayers = 6, kHeads = 8, kHead = 128, kInner = kHeads * kHead;
constexpr int64_t kHidden = 4 * kWidth;

torch::nn::LayerNorm layer_norm(int64_t channels) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({channels}));
}

torch::nn::Linear no_bias(int64_t in, int64_t out) {
  return torch::nn::Linear(torch::nn::LinearOptions(in, out).bias(false));
}

torch::Tensor heads(const torch::Tensor& x) {  // [B][T][heads * 128] -> [B][heads][T][128]
  return x.unflatten(2, {kHeads, kHead}).transpose(1, 2);
}

}  // namespace

LatentAttentionImpl::LatentAttentionImpl(int64_t context_channels)
    : norm_(register_module("norm", layer_norm(kWidth))) {
  if (context_channels > 0) norm_context_ = register_module("norm_context", layer_norm(context_channels));
  const auto fn = register_module("fn", std::make_shared<torch::nn::Module>());
  to_q_ = fn->register_module("to_q", no_bias(kWidth, kInner));
  to_kv_ = fn->register_module("to_kv", no_bias(context_channels > 0 ? context_channels : kWidth, 2 * kInner));
  to_out_ = fn->register_module("to_out", torch::nn::Linear(kInner, kWidth));
}

torch::Tensor LatentAttentionImpl::forward(const torch::Tensor& x, const torch::Tensor& context) {
  const torch::Tensor asking = norm_(x);
  const auto key_value = to_kv_(context.defined() ? norm_context_(context) : asking).chunk(2, 2);
  const torch::Tensor answer =
      at::scaled_dot_product_attention(heads(to_q_(asking)), heads(key_value[0]), heads(key_value[1]));
  return to_out_(answer.transpose(1, 2).flatten(2));
}

LatentFeedForwardImpl::LatentFeedForwardImpl() : norm_(register_module("norm", layer_norm(kWidth))) {
  const auto net = std::make_shared<torch::nn::Module>();  // "1" was the gate
  up_ = net->register_module("0", torch::nn::Linear(kWidth, 2 * kHidden));
  down_ = net->register_module("2", torch::nn::Linear(kHidden, kWidth));
  register_module("fn", std::make_shared<torch::nn::Module>())->register_module("net", net);
}

torch::Tensor LatentFeedForwardImpl::forward(const torch::Tensor& x) {
  const auto halves = up_(norm_(x)).chunk(2, 2);
  return down_(halves[0] * torch::gelu(halves[1]));
}

PerceiverIoImpl::PerceiverIoImpl(int64_t channels, int64_t queries, int64_t bands)
    : latents_(register_parameter("latents", torch::randn({kLatents, kWidth}))),
      queries_(register_parameter("queries", torch::randn({queries, kWidth}))),
      cross_attention_(channels),
      decoder_(register_module("decoder_cross_attn", LatentAttention(kWidth))),
      to_logits_(register_module("to_logits", torch::nn::Linear(kWidth, bands))) {
  register_module("cross_attend_blocks", torch::nn::ModuleList(cross_attention_, cross_feed_forward_));
  torch::nn::ModuleList layers;
  for (int64_t i = 0; i < kLayers; ++i) {
    const auto& [attention, feed_forward] = layers_.emplace_back(LatentAttention(0), LatentFeedForward());
    layers->push_back(torch::nn::ModuleList(attention, feed_forward));
  }
  register_module("layers", layers);
}

torch::Tensor PerceiverIoImpl::forward(const torch::Tensor& data, const Visit& visit) {
  const auto seen = [&](const std::string& name, torch::Tensor value) {
    if (visit) visit(name, value);
    return value;
  };
  const int64_t batch = data.size(0);
  torch::Tensor x = latents_.expand({batch, -1, -1});
  x = x + seen("cross_attn", cross_attention_(x, data));
  x = x + seen("cross_ff", cross_feed_forward_(x));
  for (size_t i = 0; i < layers_.size(); ++i) {
    const std::string layer = "layer" + std::to_string(i);
    x = x + seen(layer + "_attn", layers_[i].first(x));
    x = x + seen(layer + "_ff", layers_[i].second(x));
  }
  return to_logits_(seen("decoder_cross_attn", decoder_(queries_.expand({batch, -1, -1}), x)));
}

torch::Tensor drop_frames(const torch::Tensor& data, const torch::Tensor& draws) {
  const int64_t kept = data.size(1) * 9 / 10;
  const torch::Tensor frames = std::get<1>(draws.topk(kept, 1));
  return data.gather(1, frames.unsqueeze(2).expand({-1, -1, data.size(2)}));
}

}  // namespace fastsag::model
