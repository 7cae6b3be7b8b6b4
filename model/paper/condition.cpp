#include "model/paper/condition.h"

#include "dsp/error.h"

namespace fastsag::model {

namespace F = torch::nn::functional;

torch::Tensor resize_bilinear(const torch::Tensor& x, int64_t bands, int64_t frames) {
  const auto options =
      F::InterpolateFuncOptions().size(std::vector<int64_t>{bands, frames}).mode(torch::kBilinear).align_corners(false);
  return F::interpolate(x.unsqueeze(1), options).squeeze(1);
}

torch::Tensor pad_frames(const torch::Tensor& x, int64_t width) {
  if (x.size(-1) > width) {
    throw Error("a window of " + std::to_string(x.size(-1)) + " mel frames: the model takes at most " +
                std::to_string(width));
  }
  return F::pad(x, F::PadFuncOptions({0, width - x.size(-1)}));
}

ConditionImpl::ConditionImpl(const PaperSizes& sizes)
    : semantic_encoder(sizes.semantic_channels, sizes.semantic_stacks, sizes.semantic_blocks),
      mixed_encoder(register_module("mixed_encoder", WaveNet(sizes.bands, sizes.prior_stacks, sizes.prior_blocks))),
      sizes_(sizes) {
  torch::nn::ModuleList semantic(semantic_encoder);
  if (sizes.perceiver) {
    perceiver = PerceiverIo(sizes.semantic_channels, sizes.frames, sizes.bands);
    semantic->push_back(perceiver);
  }
  register_module("semantic_encoder", semantic);
}

torch::Tensor ConditionImpl::translate(const torch::Tensor& semantic) {
  return semantic_encoder(semantic.transpose(1, 2)).transpose(1, 2);
}

torch::Tensor ConditionImpl::resample(const torch::Tensor& both, int64_t frames, ConditionPath path) {
  if (path == ConditionPath::bilinear) return resize_bilinear(both.transpose(1, 2), sizes_.bands, frames);
  if (!perceiver) throw Error("this model was made without a Perceiver: use the bilinear path");
  if (frames != sizes_.frames) {
    throw Error("the Perceiver makes " + std::to_string(sizes_.frames) + " mel frames, not " + std::to_string(frames) +
                ": give it a whole window, or use the bilinear path");
  }
  return perceiver(both).transpose(1, 2);
}

torch::Tensor ConditionImpl::prior(const torch::Tensor& condition) {
  return mixed_encoder(pad_frames(condition, sizes_.width));
}

torch::Tensor ConditionImpl::forward(const torch::Tensor& semantic, int64_t frames, ConditionPath path) {
  return prior(resample(translate(semantic) + semantic, frames, path));
}

}  // namespace fastsag::model
