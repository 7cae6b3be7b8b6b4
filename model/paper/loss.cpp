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

PaperLosses paper_losses(Condition& condition, UNet& unet, const PaperBatch& batch, const PaperDraws& draws,
                         ConditionPath path, const EdmOptions& edm) {
  const int64_t frames = batch.mel.size(2), width = draws.noise.size(2);
  const torch::Tensor mel = pad_frames(batch.mel, width);
  const torch::Tensor mask = (torch::arange(width, mel.device()) < frames).to(mel.scalar_type()).view({1, 1, width});
  const auto network = [&](const torch::Tensor& x, const torch::Tensor& where, const torch::Tensor& mu,
                           const torch::Tensor& c_noise) { return unet->forward(x, where, mu, c_noise); };

  const torch::Tensor translated = condition->translate(batch.voice);
  torch::Tensor both = translated + batch.voice;
  if (path == ConditionPath::perceiver && draws.dropout.defined()) both = drop_frames(both, draws.dropout);
  const torch::Tensor mu = condition->prior(condition->resample(both, frames, path));

  const torch::Tensor sigma = edm_training_sigma(edm, draws.sigma);
  const torch::Tensor noisy = mel + sigma.to(mel.options()).view({-1, 1, 1}) * draws.noise;
  const torch::Tensor denoised = edm_guided_denoise(edm, network, noisy, mask, mu, sigma);
  return {semantic_loss(translated, batch.accompaniment), prior_loss(mu, mel, mask),
          edm_error(edm, denoised, mel, mask, sigma), denoised};
}

}  // namespace fastsag::model
