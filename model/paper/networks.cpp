#include "model/paper/networks.h"

#include <array>

#include "dsp/error.h"
#include "model/checkpoint.h"
#include "model/edm.h"
#include "model/paper/published.h"

namespace fastsag::model {

void check_finite(const PaperMade& made) {
  const std::array<std::pair<const char*, const torch::Tensor*>, 4> blocks = {{{"front end", &made.features},
                                                                               {"semantic block", &made.translated},
                                                                               {"prior", &made.mu},
                                                                               {"denoiser", &made.mel}}};
  const auto broken = [](const torch::Tensor& x) { return x.defined() && !torch::isfinite(x).all().item<bool>(); };
  if (!broken(made.mel)) return;
  for (const auto& [name, tensor] : blocks)
    if (broken(*tensor))
      throw Error(std::string("the ") + name +
                  " made numbers that are none: its weights, or what it was given, are broken");
}

PaperNetworks::PaperNetworks(const Preset& preset, torch::Device device, bool plain, NetWay way)
    : preset_(preset), device_(device), condition_(preset.sizes), unet_(preset.sizes.unet_dim) {
  if (preset_.front_end.kind == "mert") {
    check_converted(preset_.weights, "FastSAG's checkpoint (grad_N.pt, github.com/chenjianyi/fastsag)");
  } else if (!std::filesystem::is_regular_file(preset_.weights)) {
    throw Error("no such file: " + preset_.weights.string() + "; train it: fastsag_train --config configs/train/" +
                preset_.name + ".toml --data CORPUS --out " + preset_.weights.string());
  }
  const SafetensorsFile file(preset_.weights);
  const std::array parts = {PrefixedModule{"", condition_.get()}, PrefixedModule{"decoder.estimator", unet_.get()}};
  load_modules(parts, file);
  for (const PrefixedModule& part : parts) {
    part.module->to(device_);
    part.module->eval();
  }
  if (!plain) unet_->prepare(preset_.precision == "bf16" ? torch::kBFloat16 : torch::kFloat, way);
  if (unet_->cuda()) walk_.emplace(unet_);
  front_end_ = load_front_end(preset_.front_end, device_);
  mask_ = (torch::arange(preset_.sizes.width, device_) < preset_.sizes.frames).to(torch::kFloat).view({1, 1, -1});
}

void PaperNetworks::hear(const PaperInputs& inputs, PaperMade& made) {
  if (wants_features()) made.features = front_end_->features(inputs.heard);
}

void PaperNetworks::condition(const PaperInputs& inputs, PaperMade& made) {
  torch::Tensor condition;
  if (wants_features()) {
    const auto path = preset_.condition == "perceiver" ? ConditionPath::perceiver : ConditionPath::bilinear;
    made.translated = condition_->translate(made.features);
    condition = condition_->resample(made.translated + made.features, preset_.sizes.frames, path);
  }
  if (wants_mel()) condition = condition.defined() ? condition + inputs.mel : inputs.mel;
  made.mu = condition_->prior(condition);
}

void PaperNetworks::sample(const PaperInputs& inputs, PaperMade& made) {
  const torch::Tensor noise = inputs.noise.transpose(1, 2).contiguous();
  EdmOptions edm;
  edm.steps = preset_.denoiser.steps;
  edm.sigma_max = preset_.denoiser.sigma_max;
  if (walk_) {
    made.mel = (*walk_)(edm, {noise, made.mu.contiguous(), inputs.known, inputs.known_frames, preset_.sizes.frames});
    return;
  }
  const torch::Tensor known = inputs.known_frames.defined() ? inputs.known_frames > 0 : torch::Tensor();
  const auto impose = [&](torch::Tensor& x, double sigma) {
    if (known.defined()) x = torch::where(known, inputs.known + sigma * noise, x);
  };
  const auto network = [this](const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                              const torch::Tensor& c_noise) { return unet_->forward(x, mask, mu, c_noise); };
  made.mel = edm_sample(edm, network, noise, mask_, made.mu, impose);
  impose(made.mel, 0);
}

}  // namespace fastsag::model
