#pragma once
// What the paper's form hears of a voice: MERT's features, or (where a model was trained on two cores) its semitones.
//
// Shapes: wave, min-max scaled mono at 24 kHz -> [T1][channels], on the device. heard() is the host's part of it, [..],
// and features(heard) the device's, of a batch: [B][..] -> [B][T1][channels].
#include <torch/torch.h>

#include <memory>
#include <span>

#include "model/preset.h"

namespace fastsag::model {

class FrontEnd {
 public:
  virtual ~FrontEnd() = default;
  virtual torch::Tensor heard(std::span<const float> wave) const = 0;
  virtual torch::Tensor features(const torch::Tensor& heard) = 0;
  virtual torch::Device device() const = 0;
  torch::Tensor features(std::span<const float> wave) { return features(heard(wave).unsqueeze(0).to(device()))[0]; }
};

// Errors: fastsag::Error where weights are missing or differ.
std::unique_ptr<FrontEnd> load_front_end(const Preset::FrontEnd& preset, torch::Device device);

// The semitones of a wave, each frame normalised over its bands where there is something to hear; [T1][84]. Training
// hears through it too.
torch::Tensor semitone_features(std::span<const float> wave, bool normalised);

}  // namespace fastsag::model
