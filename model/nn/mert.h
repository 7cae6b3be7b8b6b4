#pragma once
// MERT-v1-95M (a HuBERT base at 24 kHz) up to the layer that is asked for: the semantic features of the published
// model, 75 frames a second.
//
// Shapes: audio [B][N], min-max scaled as the reference does (dsp/mel.h: minmax_scale), cut to a multiple of 320
// -> [B][N / 320 - 1][768].
// Errors: fastsag::Error where the audio is too short for a frame.
// Source: Li et al. 2023; Hsu et al. 2021; REFERENCE.md section 3.
#include <torch/torch.h>

namespace fastsag::model {

inline constexpr int64_t kMertChannels = 768, kMertHop = 320, kMertLayer = 7;
inline int64_t mert_frames(int64_t samples) { return samples < kMertHop ? 0 : samples / kMertHop - 1; }

// Seven strided convolutions, the first normalised per channel over time.
class MertConvolutionsImpl : public torch::nn::Module {
 public:
  MertConvolutionsImpl();
  torch::Tensor forward(const torch::Tensor& audio);  // [B][N] -> [B][512][T]

  std::vector<torch::nn::Conv1d> convs;
  torch::nn::GroupNorm first_norm{nullptr};
};
TORCH_MODULE(MertConvolutions);

// A transformer layer that normalises after each sum.
class MertLayerImpl : public torch::nn::Module {
 public:
  MertLayerImpl();
  torch::Tensor forward(const torch::Tensor& x);
  torch::Tensor attend(const torch::Tensor& x);

 private:
  torch::nn::Linear q_{nullptr}, k_{nullptr}, v_{nullptr}, out_{nullptr}, up_{nullptr}, down_{nullptr};
  torch::nn::LayerNorm attention_norm_, final_norm_;
};
TORCH_MODULE(MertLayer);

class MertImpl : public torch::nn::Module {
 public:
  explicit MertImpl(int64_t layers = kMertLayer);
  // Hidden states 0 (what enters the first layer) to `layers`.
  std::vector<torch::Tensor> forward(const torch::Tensor& audio);
  // What FastSAG gets: the last state, each frame normalised over its channels.
  torch::Tensor embed(const torch::Tensor& audio);

  torch::Tensor project(const torch::Tensor& features);     // [B][512][T] -> [B][T][768]
  torch::Tensor positions(const torch::Tensor& projected);  // what is added for the place of a frame
  MertLayer layer(int64_t index) const { return layers_[static_cast<size_t>(index)]; }
  MertConvolutions convolutions;

 private:
  torch::nn::LayerNorm feature_norm_{nullptr}, encoder_norm_{nullptr};
  torch::nn::Linear projection_{nullptr};
  torch::nn::Conv1d positions_{nullptr};
  std::vector<MertLayer> layers_;
};
TORCH_MODULE(Mert);

torch::Tensor normalise_frames(const torch::Tensor& features);

}  // namespace fastsag::model
