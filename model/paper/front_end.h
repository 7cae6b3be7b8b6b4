#pragma once
// What the paper's form hears of a voice: MERT's features, or (where a model was trained on two cores) its semitones.
//
// Shapes: wave, min-max scaled mono at 24 kHz -> [T1][channels()], on the device.
#include <torch/torch.h>

#include <memory>
#include <span>

#include "model/preset.h"

namespace fastsag::model {

class FrontEnd {
 public:
  virtual ~FrontEnd() = default;
  virtual torch::Tensor features(std::span<const float> wave) = 0;
};

// Errors: fastsag::Error where weights are missing or differ.
std::unique_ptr<FrontEnd> load_front_end(const Preset::FrontEnd& preset, torch::Device device);

// The semitones of a wave, each frame normalised over its bands where there is something to hear; [T1][84]. Training
// hears through it too.
torch::Tensor semitone_features(std::span<const float> wave, bool normalised);

}  // namespace fastsag::model
