#include "model/paper/loss.h"

#include <cmath>
#include <numbers>

namespace fastsag::model {

torch::Tensor semantic_loss(const torch::Tensor& translated, const torch::Tensor& accompaniment) {
  return (translated - accompaniment).square().mean();
}

torch::Tensor prior_loss(const torch::Tensor& mu, const torch::Tensor& mel, const torch::Tensor& mask) {
  const double constant = std::log(2 * std::numbers::pi);
  const torch::Tensor frames = mask.expand({mel.size(0), 1, mel.size(2)});
  return (((mel - mu).square() + constant) * .5 * frames).sum() / (frames.sum() * mel.size(1));
}

namespace {

// Of each item [C][width] the `count` columns from its own beginning on.
torch::Tensor columns(const torch::Tensor& x, const torch::Tensor& begin, int64_t count) {
  if (!begin.defined()) return x;
  const torch::Tensor places = begin.view({-1, 1, 1}) + torch::arange(count, begin.options());
  return x.expand({begin.size(0), -1, -1}).gather(2, places.expand({-1, x.size(1), -1}));
}

}  // namespace

PaperLosses paper_losses(Condition& condition, UNet& unet, const PaperBatch& batch, const PaperDraws& draws,
                         ConditionPath path, const EdmOptions& edm) {
  const torch::Tensor translated = condition->translate(batch.voice);
  torch::Tensor both = translated + batch.voice;
  if (path == ConditionPath::perceiver && draws.dropout.defined()) both = drop_frames(both, draws.dropout);
  const int64_t frames = batch.mel.size(2), seen = draws.noise.size(2);
  const torch::Tensor mu = condition->prior(condition->resample(both, frames, path));
  const torch::Tensor mel = pad_frames(batch.mel, mu.size(2));
  const torch::Tensor mask = (torch::arange(mu.size(2), mel.device()) < frames).to(mel.scalar_type()).view({1, 1, -1});

  const auto network = [&](const torch::Tensor& x, const torch::Tensor& where, const torch::Tensor& m,
                           const torch::Tensor& c_noise) { return unet->forward(x, where, m, c_noise); };
  const torch::Tensor sigma = edm_training_sigma(edm, draws.sigma);
  const torch::Tensor truth = columns(mel, draws.begin, seen), where = columns(mask, draws.begin, seen);
  const torch::Tensor noisy = truth + sigma.to(mel.options()).view({-1, 1, 1}) * draws.noise;
  const torch::Tensor denoised = edm_guided_denoise(edm, network, noisy, where, columns(mu, draws.begin, seen), sigma);
  return {semantic_loss(translated, batch.accompaniment), prior_loss(mu, mel, mask),
          edm_error(edm, denoised, truth, where, sigma), denoised};
}

}  // namespace fastsag::model
