#pragma once
// FastSAG's condition: the voice's semantic features become the accompaniment's, are resampled to mel columns, and a
// WaveNet makes the prior mel `mu` of them that the denoiser is conditioned on.
//
// Shapes: semantic [B][T1][channels]; mel and mu [B][bands][..].
// Source: REFERENCE.md section 5 (and 4, 6).
#include <torch/torch.h>

#include "model/nn/perceiver.h"
#include "model/nn/wavenet.h"
#include "model/paper/sizes.h"

namespace fastsag::model {

// From (channels, feature frames) to (bands, mel frames). The published code runs `bilinear`; its author meant
// `perceiver`. A checkpoint holds the tensors of both.
enum class ConditionPath { perceiver, bilinear };

// [B][channels][T1] seen as an image, resized to [B][bands][frames]: no aligned corners, no antialias.
torch::Tensor resize_bilinear(const torch::Tensor& x, int64_t bands, int64_t frames);
// Zeros after the last frame. Errors: fastsag::Error where there are more frames than `width`.
torch::Tensor pad_frames(const torch::Tensor& x, int64_t width);

class ConditionImpl : public torch::nn::Module {
 public:
  explicit ConditionImpl(const PaperSizes& sizes = {});

  // mu [B][bands][width], not zero beyond `frames`. The Perceiver answers for sizes.frames and no other number.
  torch::Tensor forward(const torch::Tensor& semantic, int64_t frames, ConditionPath path);

  // Its parts, in their order. The accompaniment's features as the semantic loss sees them, [B][T1][channels].
  torch::Tensor translate(const torch::Tensor& semantic);
  // Both singers' features (translated + semantic) as a condition of `frames` columns, [B][bands][frames].
  torch::Tensor resample(const torch::Tensor& both, int64_t frames, ConditionPath path);
  // Any condition [B][bands][frames], the vocal mel too, to mu.
  torch::Tensor prior(const torch::Tensor& condition);

  WaveNet semantic_encoder, mixed_encoder;
  PerceiverIo perceiver{nullptr};

 private:
  PaperSizes sizes_;
};
TORCH_MODULE(Condition);

}  // namespace fastsag::model
