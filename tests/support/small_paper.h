#pragma once
// A preset of the paper's form at a size that a test can afford, with weights of the formula.
#include <filesystem>
#include <fstream>

#include "model/checkpoint.h"
#include "model/formula.h"
#include "model/nn/magnitude_net.h"
#include "model/nn/unet.h"
#include "model/paper/condition.h"
#include "model/preset.h"

namespace fastsag::test {

inline constexpr const char* kSmallPaper = R"(
form = "paper"
weights = "small.safetensors"
condition = "bilinear"
[front_end]
kind = "semitones"
[size]
semantic_channels = 84
semantic_stacks = 1
semantic_blocks = 2
perceiver = false
prior_stacks = 1
prior_blocks = 2
unet_dim = 8
[denoiser]
steps = 3
[vocoder]
kind = "lite"
weights = "vocoder.safetensors"
griffin_lim = 1
)";

// FOLDER/small.toml and what it names; `broken`: the beginning of the names whose weights make numbers that are none.
inline void write_small_paper(const std::filesystem::path& folder, const std::string& broken = {}) {
  torch::manual_seed(1);
  std::ofstream(folder / "small.toml") << kSmallPaper;
  const model::Preset preset = model::load_preset_file(folder / "small.toml");
  model::Condition condition(preset.sizes);
  model::UNet unet(preset.sizes.unet_dim);
  model::fill_by_formula(*condition, model::FormulaModel::fastsag, "");
  model::fill_by_formula(*unet, model::FormulaModel::fastsag, "decoder.estimator.");
  const torch::NoGradGuard no_gradients;
  if (broken == "denoiser") unet->final_conv->weight.fill_(1e38);
  for (auto& parameter : condition->named_parameters())
    if (!broken.empty() && parameter.key().starts_with(broken)) parameter.value().fill_(1e38);
  const std::vector<model::PrefixedModule> parts = {{"", condition.get()}, {"decoder.estimator", unet.get()}};
  model::save_modules(folder / "small.safetensors", parts, {}, model::Storage::fp32);
  model::MagnitudeNet magnitude;
  const std::vector<model::PrefixedModule> vocoder = {{"magnitude", magnitude.get()}};
  model::save_modules(folder / "vocoder.safetensors", vocoder, {}, model::Storage::fp32);
}

}  // namespace fastsag::test
