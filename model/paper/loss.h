#pragma once
// What FastSAG is trained on: three losses whose plain sum is differentiated. Random draws come from outside, so that a
// step can be repeated and compared.
//
// Shapes: features [B][T1][channels]; mel [B][bands][T], normalised; draws as below.
// Source: REFERENCE.md section 9.
#include <torch/torch.h>

#include "model/edm.h"
#include "model/nn/unet.h"
#include "model/paper/condition.h"

namespace fastsag::model {

struct PaperBatch {
  torch::Tensor voice;          // semantic features of the voice
  torch::Tensor accompaniment;  // and of the accompaniment
  torch::Tensor mel;            // the accompaniment's
};

struct PaperDraws {
  torch::Tensor sigma;    // [B], N(0, 1): noise level of each item
  torch::Tensor noise;    // [B][bands][columns], N(0, 1); columns = width where `begin` is undefined
  torch::Tensor dropout;  // [B][T1], N(0, 1): frames that the Perceiver does not see; undefined: it sees all
  // [B] int64: the U-Net sees the columns from here on alone, as Grad-TTS (section 3.3) trains; undefined: all, as
  // FastSAG does.
  torch::Tensor begin;
};

struct PaperLosses {
  torch::Tensor semantic, prior, diffusion;  // scalars
  torch::Tensor denoised;                    // [B][bands][columns]
  torch::Tensor total() const { return semantic + prior + diffusion; }
};

// Mean square of the features' difference, over all frames.
torch::Tensor semantic_loss(const torch::Tensor& translated, const torch::Tensor& accompaniment);
// -ln N(mel; mu, 1) a band and frame of the mask.
torch::Tensor prior_loss(const torch::Tensor& mu, const torch::Tensor& mel, const torch::Tensor& mask);

// `mel` shorter than the sizes' width is padded with zeros, which the mask leaves out of the sums.
PaperLosses paper_losses(Condition& condition, UNet& unet, const PaperBatch& batch, const PaperDraws& draws,
                         ConditionPath path, const EdmOptions& edm = {});

}  // namespace fastsag::model
