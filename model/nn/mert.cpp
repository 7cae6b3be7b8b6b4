#include "model/nn/mert.h"

#include "dsp/error.h"

namespace fastsag::model {
namespace {

constexpr int64_t kFeatures = 512, kHeads = 12, kHidden = 3072, kPositionKernel = 128, kPositionGroups = 16;
constexpr std::array<std::pair<int64_t, int64_t>, 7> kConvolutions = {  // kernel, stride
    {{10, 5}, {3, 2}, {3, 2}, {3, 2}, {3, 2}, {2, 2}, {2, 2}}};

torch::nn::LayerNorm layer_norm(int64_t channels) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({channels}));
}

std::shared_ptr<torch::nn::Module> child(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>());
}

torch::Tensor heads(const torch::Tensor& x) { return x.unflatten(2, {kHeads, -1}).transpose(1, 2); }

}  // namespace

MertConvolutionsImpl::MertConvolutionsImpl() {
  torch::nn::ModuleList layers;
  for (const auto& [kernel, stride] : kConvolutions) {
    const auto layer = std::make_shared<torch::nn::Module>();
    convs.push_back(layer->register_module(
        "conv",
        torch::nn::Conv1d(
            torch::nn::Conv1dOptions(convs.empty() ? 1 : kFeatures, kFeatures, kernel).stride(stride).bias(false))));
    if (!first_norm) {
      first_norm =
          layer->register_module("layer_norm", torch::nn::GroupNorm(torch::nn::GroupNormOptions(kFeatures, kFeatures)));
    }
    layers->push_back(layer);
  }
  register_module("conv_layers", layers);
}

torch::Tensor MertConvolutionsImpl::forward(const torch::Tensor& audio) {
  torch::Tensor x = torch::gelu(first_norm(convs[0](audio.unsqueeze(1))));
  for (size_t i = 1; i < convs.size(); ++i) x = torch::gelu(convs[i](x));
  return x;
}

MertLayerImpl::MertLayerImpl()
    : attention_norm_(register_module("layer_norm", layer_norm(kMertChannels))),
      final_norm_(register_module("final_layer_norm", layer_norm(kMertChannels))) {
  const auto attention = child(*this, "attention"), feed_forward = child(*this, "feed_forward");
  const auto square = [&](const char* name) {
    return attention->register_module(name, torch::nn::Linear(kMertChannels, kMertChannels));
  };
  q_ = square("q_proj");
  k_ = square("k_proj");
  v_ = square("v_proj");
  out_ = square("out_proj");
  up_ = feed_forward->register_module("intermediate_dense", torch::nn::Linear(kMertChannels, kHidden));
  down_ = feed_forward->register_module("output_dense", torch::nn::Linear(kHidden, kMertChannels));
}

torch::Tensor MertLayerImpl::attend(const torch::Tensor& x) {
  const torch::Tensor answer = at::scaled_dot_product_attention(heads(q_(x)), heads(k_(x)), heads(v_(x)));
  return out_(answer.transpose(1, 2).flatten(2));
}

torch::Tensor MertLayerImpl::forward(const torch::Tensor& x) {
  const torch::Tensor h = attention_norm_(x + attend(x));
  return final_norm_(h + down_(torch::gelu(up_(h))));
}

MertImpl::MertImpl(int64_t layers) : convolutions(register_module("feature_extractor", MertConvolutions())) {
  const auto projection = child(*this, "feature_projection"), encoder = child(*this, "encoder");
  feature_norm_ = projection->register_module("layer_norm", layer_norm(kFeatures));
  projection_ = projection->register_module("projection", torch::nn::Linear(kFeatures, kMertChannels));
  positions_ = child(*encoder, "pos_conv_embed")
                   ->register_module(
                       "conv", torch::nn::Conv1d(torch::nn::Conv1dOptions(kMertChannels, kMertChannels, kPositionKernel)
                                                     .padding(kPositionKernel / 2)
                                                     .groups(kPositionGroups)));
  encoder_norm_ = encoder->register_module("layer_norm", layer_norm(kMertChannels));
  torch::nn::ModuleList list;
  for (int64_t i = 0; i < layers; ++i) list->push_back(layers_.emplace_back());
  encoder->register_module("layers", list);
}

torch::Tensor MertImpl::project(const torch::Tensor& features) {
  return projection_(feature_norm_(features.transpose(1, 2)));
}

torch::Tensor MertImpl::positions(const torch::Tensor& projected) {
  const torch::Tensor y = positions_(projected.transpose(1, 2));
  return torch::gelu(y.narrow(2, 0, projected.size(1)).transpose(1, 2));  // an even kernel makes a frame too many
}

std::vector<torch::Tensor> MertImpl::forward(const torch::Tensor& audio) {
  const int64_t samples = audio.size(1) / kMertHop * kMertHop;
  if (mert_frames(samples) < 1) {
    throw Error("audio of " + std::to_string(audio.size(1)) + " samples is too short for MERT: at least " +
                std::to_string(2 * kMertHop) + " at 24 kHz");
  }
  const torch::Tensor x = project(convolutions(audio.narrow(1, 0, samples)));
  std::vector<torch::Tensor> states = {encoder_norm_(x + positions(x))};
  for (auto& layer : layers_) states.push_back(layer(states.back()));
  return states;
}

torch::Tensor MertImpl::embed(const torch::Tensor& audio) { return normalise_frames(forward(audio).back()); }

torch::Tensor normalise_frames(const torch::Tensor& features) {
  return (features - features.mean(2, true)) / (features.var(2, /*unbiased=*/true, /*keepdim=*/true) + 1e-7).sqrt();
}

}  // namespace fastsag::model
