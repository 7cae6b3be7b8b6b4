#include "model/train/paper_part.h"

#include <algorithm>
#include <cmath>

#include "dsp/error.h"
#include "model/paper/published.h"

namespace fastsag::model {
namespace {

constexpr int64_t kHeldOut = 24;  // clips to validate on
constexpr double kEpochs = 200;
enum : uint64_t { kBatch = 21, kValidation };

Preset preset_of(const PaperRecipe& recipe) {
  if (recipe.preset.empty()) throw Error("part paper: paper.preset is missing: name the preset to train for");
  Preset preset = load_preset_file(recipe.preset);
  if (preset.form != "paper" || (preset.condition != "perceiver" && preset.condition != "bilinear")) {
    throw Error(recipe.preset.string() + " is of form \"" + preset.form + "\", condition \"" + preset.condition +
                "\"; training needs form \"paper\" and condition \"perceiver\" or \"bilinear\"");
  }
  const int64_t channels = preset.front_end.kind == "mert" ? 768 : 84;
  if (preset.sizes.semantic_channels != channels) {
    throw Error(recipe.preset.string() + ": size.semantic_channels is " +
                std::to_string(preset.sizes.semantic_channels) + ", its front end makes " + std::to_string(channels));
  }
  return preset;
}

PaperTask task_of(const Preset& preset, int64_t columns) {
  return {preset.front_end.kind == "semitones", preset.front_end.normalised,
          preset.condition == "perceiver" ? ConditionPath::perceiver : ConditionPath::bilinear, preset.sizes, columns};
}

torch::Tensor features_of(FrontEnd& network, const torch::Tensor& waves) {
  const torch::NoGradGuard frozen;
  std::vector<torch::Tensor> features;
  for (const torch::Tensor& wave : waves.unbind())
    features.push_back(network.features({wave.const_data_ptr<float>(), static_cast<size_t>(wave.numel())}));
  return torch::stack(features).to(torch::kFloat);
}

}  // namespace

PaperNetImpl::PaperNetImpl(const PaperSizes& sizes) : condition(sizes), unet(sizes.unet_dim) {
  for (const auto& child : condition->named_children()) register_module(child.key(), child.value());
  const auto decoder = std::make_shared<torch::nn::Module>("decoder");
  decoder->register_module("estimator", unet.ptr());
  register_module("decoder", decoder);
}

PaperPart::PaperPart(const std::filesystem::path& corpus, const PaperRecipe& recipe, int64_t batch)
    : corpus_(corpus, recipe.paper_level),
      preset_(preset_of(recipe)),
      task_(task_of(preset_, recipe.columns)),
      batch_(batch),
      at_once_(recipe.at_once > 0 ? std::min(recipe.at_once, batch) : batch),
      net_(preset_.sizes),
      coming_([this](const BatchKey& key) { return draw(key); }, recipe.loaders) {
  if (!task_.semitones) check_converted(preset_.front_end.weights, "MERT-v1-95M (huggingface.co/m-a-p/MERT-v1-95M)");
}

PartOptions PaperPart::options() const {
  const double epoch = static_cast<double>(corpus_.train().size()) / static_cast<double>(batch_);
  return {.steps = static_cast<int64_t>(std::ceil(kEpochs * epoch)),
          .learning_rate = 1e-4,
          .beta1 = .9,
          .beta2 = .999,
          .weight_decay = 0,
          .warmup = 0,
          .constant_rate = true,
          .ema = 0,
          .clip = 1};
}

PaperExamples PaperPart::draw(const BatchKey& key) const {
  std::vector<PaperExamples> examples;
  for (int64_t item = 0; item < batch_; ++item) {
    Chance chance{key.seed, kBatch, static_cast<uint64_t>(key.step), static_cast<uint64_t>(key.rank),
                  static_cast<uint64_t>(item)};
    const auto& clips = corpus_.train();
    const Clip& clip = clips[static_cast<size_t>(chance.below(static_cast<int>(clips.size())))];
    examples.push_back(make_example(task_, clip, /*training=*/true, chance));
  }
  return stack(examples);
}

PaperLosses PaperPart::losses(PaperExamples examples) {
  const torch::Device device = net_->parameters().front().device();
  if (!task_.semitones) {
    if (!network_) network_ = load_front_end(preset_.front_end, device);
    examples.batch.voice = features_of(*network_, examples.voice_wave);
    examples.batch.accompaniment = features_of(*network_, examples.accompaniment_wave);
  }
  examples = examples.to(device);
  return paper_losses(net_->condition, net_->unet, examples.batch, examples.draws, task_.path);
}

torch::Tensor PaperPart::loss(const BatchKey& key, std::map<std::string, double>& figures) {
  if (key.piece == 0) {
    now_ = coming_.take(key);
    figures["waiting"] = coming_.share_waited();
  }
  const int64_t begin = key.piece * at_once_, count = std::min(at_once_, batch_ - begin);
  const double share = static_cast<double>(count) / static_cast<double>(batch_);
  const PaperLosses made = losses(now_.narrow(begin, count));
  figures["semantic"] += share * made.semantic.item<double>();
  figures["prior"] += share * made.prior.item<double>();
  figures["diffusion"] += share * made.diffusion.item<double>();
  return made.total() * share;
}

std::map<std::string, double> PaperPart::validate() {
  const torch::NoGradGuard no_grad;
  if (!held_out_.batch.mel.defined()) {
    const auto& clips = corpus_.validate();
    const int64_t count = std::min<int64_t>(kHeldOut, std::ssize(clips));
    std::vector<PaperExamples> examples;
    for (int64_t i = 0; i < count; ++i) {
      const Clip& clip = clips[static_cast<size_t>(i * std::ssize(clips) / count)];
      examples.push_back(make_example(task_, clip, /*training=*/false, Chance{kValidation, static_cast<uint64_t>(i)}));
      examples.back().draws.dropout = torch::Tensor();  // it hears all
      // Noise levels at even places of their distribution, so that few clips stand for it.
      const double place = (static_cast<double>((i * 7) % count) + .5) / static_cast<double>(count);
      examples.back().draws.sigma = torch::special::ndtri(torch::tensor({place}, torch::kDouble)).to(torch::kFloat);
    }
    held_out_ = stack(examples);
  }
  std::map<std::string, double> figures;
  for (int64_t begin = 0; begin < held_out_.size(); begin += at_once_) {
    const int64_t count = std::min(at_once_, held_out_.size() - begin);
    const PaperLosses made = losses(held_out_.narrow(begin, count));
    const double share = static_cast<double>(count) / static_cast<double>(held_out_.size());
    figures["semantic"] += share * made.semantic.item<double>();
    figures["prior"] += share * made.prior.item<double>();
    figures["diffusion"] += share * made.diffusion.item<double>();
    figures["loss"] += share * made.total().item<double>();
  }
  return figures;
}

}  // namespace fastsag::model
