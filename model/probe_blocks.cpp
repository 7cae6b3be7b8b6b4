#include "model/probe_blocks.h"

#include <algorithm>

#include "dsp/mel.h"
#include "model/edm.h"
#include "model/nn/bigvgan.h"
#include "model/nn/mert.h"
#include "model/nn/unet.h"
#include "model/paper/condition.h"
#include "model/paper/loss.h"

namespace fastsag::model {
namespace {

constexpr PaperSizes kSizes;
constexpr double kPublishedGuidance = 3;

NamedTensors run_mel(const ProbeInput& input) {
  const torch::Tensor audio = input.audio();
  std::vector<torch::Tensor> items;
  for (int64_t i = 0; i < audio.size(0); ++i) {
    const std::vector<float> mel = dsp::mel({audio[i].data_ptr<float>(), static_cast<size_t>(audio.size(1))});
    items.push_back(torch::tensor(mel).view({dsp::kMelBands, -1}));
  }
  return {{"mel", torch::stack(items)}};
}

NamedTensors run_wavenet(const ProbeInput& input, const std::string& prefix, int64_t channels, int64_t stacks,
                         int64_t blocks) {
  WaveNet net(channels, stacks, blocks);
  input.load(*net, FormulaModel::fastsag, prefix);
  return {{"y", net(input.tensor("x", {-1, channels, -1}))}};
}

NamedTensors run_mixed_encoder(const ProbeInput& input) {
  return run_wavenet(input, "mixed_encoder", kSizes.bands, kSizes.prior_stacks, kSizes.prior_blocks);
}

NamedTensors run_semantic_wavenet(const ProbeInput& input) {
  return run_wavenet(input, "semantic_encoder.0", kSizes.semantic_channels, kSizes.semantic_stacks,
                     kSizes.semantic_blocks);
}

NamedTensors run_perceiver(const ProbeInput& input) {
  PerceiverIo net(kSizes.semantic_channels, kSizes.frames, kSizes.bands);
  input.load(*net, FormulaModel::fastsag, "semantic_encoder.1");
  return {{"y", net->forward(input.tensor("x", {-1, -1, kSizes.semantic_channels}))}};
}

NamedTensors run_bilinear(const ProbeInput& input) {
  const std::vector<int64_t> size = input.integers("size", 2);
  return {{"y", resize_bilinear(input.tensor("x", {-1, -1, -1}), size[0], size[1])}};
}

ConditionPath path_option(const ProbeInput& input) {
  return input.option("path", {"perceiver", "bilinear"}) == "perceiver" ? ConditionPath::perceiver
                                                                        : ConditionPath::bilinear;
}

NamedTensors run_condition(const ProbeInput& input) {
  const ConditionPath path = path_option(input);
  const torch::Tensor semantic = input.tensor("semantic", {-1, -1, kSizes.semantic_channels});
  const int64_t frames = input.integers("frames", 1)[0];
  Condition net;
  input.load(*net, FormulaModel::fastsag, "", {"decoder"});
  return {{"mu", net->forward(semantic, frames, path)}};
}

// What the U-Net, the denoiser and the sampler have in common.
struct Denoising {
  Denoising(const ProbeInput& input, const std::string& image) : x(input.tensor(image, {-1, kSizes.bands, -1})) {
    if (x.size(2) % 4 != 0)
      throw ProbeError("tensor " + image + " is " + std::to_string(x.size(2)) +
                       " frames wide; expected a multiple of 4");
    mu = input.tensor("mu", x.sizes().vec());
    const std::vector<int64_t> count = input.integers("frames", x.size(0));
    const torch::Tensor frames = torch::tensor(count);
    if (const int64_t most = *std::ranges::max_element(count); most > x.size(2)) {
      throw ProbeError("tensor frames says " + std::to_string(most) + ", but " + image + " is " +
                       std::to_string(x.size(2)) + " wide; expected no more than that");
    }
    mask = (torch::arange(x.size(2)) < frames.view({-1, 1, 1})).to(torch::kFloat);
    input.load(*unet, FormulaModel::fastsag, "decoder.estimator");
    unet->prepare();
  }
  torch::Tensor per_item(const ProbeInput& input, const std::string& name) const {
    return torch::tensor(input.numbers(name, x.size(0)), torch::kDouble);
  }
  DenoiserNetwork network() {
    return [this](const torch::Tensor& noisy, const torch::Tensor& where, const torch::Tensor& condition,
                  const torch::Tensor& c_noise) { return unet->forward(noisy, where, condition, c_noise); };
  }

  torch::Tensor x, mu, mask;
  UNet unet{kSizes.unet_dim};
};

NamedTensors run_unet(const ProbeInput& input) {
  Denoising at(input, "x");
  return {{"y", at.unet->forward(at.x, at.mask, at.mu, at.per_item(input, "c_noise").to(torch::kFloat))}};
}

NamedTensors run_denoiser(const ProbeInput& input) {
  Denoising at(input, "x");
  return {{"y", edm_denoise({}, at.network(), at.x, at.mask, at.mu, at.per_item(input, "sigma"))}};
}

EdmOptions edm_options(const ProbeInput& input) {
  EdmOptions options;
  options.guidance = input.option("cfg", {"0", "1"}) == "1" ? kPublishedGuidance : 0;
  return options;
}

NamedTensors run_sampler(const ProbeInput& input) {
  EdmOptions options = edm_options(input);
  options.steps = input.count_option("steps", options.steps);
  Denoising at(input, "z");
  return {{"y", edm_sample(options, at.network(), at.x, at.mask, at.mu)}};
}

NamedTensors run_amp(const ProbeInput& input) {
  const torch::Tensor x = input.tensor("x", {-1, -1, -1});
  SnakeActivation activation(x.size(1));
  activation->alpha.copy_(input.tensor("alpha", {x.size(1)}));
  activation->beta.copy_(input.tensor("beta", {x.size(1)}));
  return {{"y", activation(x)}};
}

NamedTensors run_vocoder(const ProbeInput& input, BigVganVersion version) {
  const torch::Tensor mel = input.tensor("mel", {-1, kSizes.bands, -1});
  BigVgan vocoder(version);
  input.load(*vocoder, FormulaModel::bigvgan, "");
  vocoder->prepare();
  return {{"audio", vocoder(mel)}};
}

NamedTensors run_bigvgan(const ProbeInput& input) { return run_vocoder(input, BigVganVersion::v1); }
NamedTensors run_bigvgan_v2(const ProbeInput& input) { return run_vocoder(input, BigVganVersion::v2); }

NamedTensors run_mert(const ProbeInput& input) {
  const torch::Tensor audio = input.audio();
  Mert mert;
  std::vector<std::string> others;  // evaluation reads up to layer 11
  for (int64_t layer = kMertLayer; layer < 11; ++layer) others.push_back("encoder.layers." + std::to_string(layer));
  input.load(*mert, FormulaModel::mert, "", others);
  const std::vector<torch::Tensor> states = mert->forward(audio);
  return {{"hidden0", states[0]}, {"hidden1", states[1]}, {"hidden7", states[7]}};
}

torch::Tensor gradient_norm(const std::vector<torch::Tensor>& parameters) {
  std::vector<torch::Tensor> norms;
  for (const torch::Tensor& parameter : parameters)
    if (parameter.grad().defined()) norms.push_back(parameter.grad().norm());
  return torch::stack(norms).norm();
}

// The parameters whose gradients the golden training case records, in its order.
std::vector<torch::Tensor> watched(const Condition& condition, const UNet& unet) {
  const auto of_unet = unet->named_parameters(), of_condition = condition->named_parameters();
  std::vector<torch::Tensor> all;
  for (const char* name :
       {"downs.0.0.block1.block.0.weight", "mlp.0.weight", "mid_attn.fn.fn.to_qkv.weight", "ups.1.3.conv.weight"})
    all.push_back(of_unet[name]);
  for (const char* name : {"mixed_encoder.stacks.0.blocks.7.conv.weight", "mixed_encoder.init_conv.weight",
                           "semantic_encoder.0.stacks.0.blocks.3.conv.weight", "semantic_encoder.0.final_conv.bias"})
    all.push_back(of_condition[name]);
  return all;
}

NamedTensors run_loss(const ProbeInput& input) {
  const ConditionPath path = path_option(input);
  const EdmOptions edm = edm_options(input);
  const torch::Tensor mel = input.tensor("y.mel", {-1, kSizes.bands, -1});
  const torch::Tensor voice = input.tensor("x.semantic", {mel.size(0), -1, kSizes.semantic_channels});
  const int64_t batch = mel.size(0);
  const PaperBatch data{voice, input.tensor("y.semantic", voice.sizes().vec()), mel};
  const PaperDraws draws{
      torch::tensor(input.numbers("rnd_normal", batch), torch::kDouble),
      input.tensor("noise", {batch, kSizes.bands, kSizes.width}),
      input.has("dropout_logits") ? input.tensor("dropout_logits", {batch, voice.size(1)}) : torch::Tensor()};
  Condition condition;
  UNet unet(kSizes.unet_dim);
  input.load(*condition, FormulaModel::fastsag, "", {"decoder"});
  input.load(*unet, FormulaModel::fastsag, "decoder.estimator");

  const torch::AutoGradMode differentiate(true);
  const PaperLosses losses = paper_losses(condition, unet, data, draws, path, edm);
  losses.total().backward();
  std::vector<torch::Tensor> norms, heads, clipped;
  for (const torch::Tensor& parameter : watched(condition, unet)) {
    norms.push_back(parameter.grad().norm());
    heads.push_back(parameter.grad().flatten().narrow(0, 0, 16).clone());
  }
  const torch::Tensor totals =
      torch::stack({gradient_norm(condition->mixed_encoder->parameters()), gradient_norm(unet->parameters()),
                    gradient_norm(condition->semantic_encoder->parameters())});
  torch::nn::utils::clip_grad_norm_(condition->mixed_encoder->parameters(), 1);
  torch::nn::utils::clip_grad_norm_(unet->parameters(), 1);
  for (const torch::Tensor& parameter : watched(condition, unet)) clipped.push_back(parameter.grad().norm());
  return {{"losses", torch::stack({losses.semantic, losses.prior, losses.diffusion, losses.total()})},
          {"denoised", losses.denoised},
          {"grad_norms", torch::stack(norms)},
          {"grad_head", torch::stack(heads)},
          {"total_norms", totals},
          {"clipped_norms", torch::stack(clipped)}};
}

}  // namespace

const std::vector<ProbeBlock>& all_probe_blocks() {
  static const std::vector<ProbeBlock> blocks = {
      {"mel", "audio [B][N]", "mel [B][100][N/256]", "natural log; the audio as it is, not scaled", {}, run_mel},
      {"mixed_encoder", "x [B][100][T]", "y alike", "prior WaveNet", {}, run_mixed_encoder},
      {"semantic_wavenet", "x [B][768][T]", "y alike", "semantic WaveNet", {}, run_semantic_wavenet},
      {"perceiver", "x [B][T][768]", "y [B][937][100]", "Perceiver IO", {}, run_perceiver},
      {"bilinear", "x [B][C][T], size [2]", "y [B][size]", "resizing", {}, run_bilinear},
      {"condition",
       "semantic [B][T][768], frames",
       "mu [B][100][1024]",
       "path=perceiver|bilinear",
       {"path"},
       run_condition},
      {"unet", "x, mu [B][100][W], frames, c_noise", "y alike", "denoiser network F", {}, run_unet},
      {"denoiser", "x, mu [B][100][W], frames, sigma", "y alike", "D", {}, run_denoiser},
      {"sampler", "z, mu [B][100][W], frames", "y alike", "steps=50, cfg=0|1", {"steps", "cfg"}, run_sampler},
      {"amp", "x [B][C][T], alpha [C], beta [C]", "y alike", "anti-aliased SnakeBeta", {}, run_amp},
      {"bigvgan", "mel [B][100][T]", "audio [B][1][256 T]", "mel in natural log", {}, run_bigvgan},
      {"bigvgan_v2", "mel [B][100][T]", "audio [B][1][256 T]", "mel in natural log", {}, run_bigvgan_v2},
      {"mert", "audio [B][N]", "hidden0, hidden1, hidden7 [B][N/320-1][768]", "24 kHz, already scaled", {}, run_mert},
      {"loss",
       "x.semantic, y.semantic [B][T][768], y.mel [B][100][T], rnd_normal [B], noise [B][100][1024], maybe "
       "dropout_logits [B][T]",
       "losses, denoised, grad_norms, grad_head, total_norms, clipped_norms",
       "path=perceiver|bilinear, cfg=0|1",
       {"path", "cfg"},
       run_loss}};
  return blocks;
}

}  // namespace fastsag::model
