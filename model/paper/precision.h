#pragma once
// Which numbers the denoiser and the vocoder of the paper's form are computed in, where the preset leaves it open.
#include <torch/torch.h>

#include <string>

#include "model/preset.h"

namespace fastsag::model {

// "fp32" or "bf16": the preset's, or for "auto" what is faster on that device, measured once a process on a convolution
// of the usual size, as most of their time goes into such. A tie is fp32's.
std::string settled_precision(const Preset& preset, torch::Device device);

}  // namespace fastsag::model
