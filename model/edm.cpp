#include "model/edm.h"

#include <cmath>

namespace fastsag::model {
namespace {

// [B] double -> [B][1][1].. of x's type, to multiply x with.
torch::Tensor along(const torch::Tensor& scale, const torch::Tensor& x) {
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = scale.size(0);
  return scale.to(x.options()).view(shape);
}

torch::Tensor masked(const torch::Tensor& x, const torch::Tensor& mask) { return mask.defined() ? x * mask : x; }

}  // namespace

EdmOptions lite_edm_options() {
  return {.sigma_data = .05,
          .sigma_min = .02,
          .sigma_max = 2,
          .rho = 5,
          .shifted = false,
          .residual = true,
          .steps = 2,
          .log_mean = -2.6,
          .log_std = 1.3};
}

EdmScale edm_scale(const EdmOptions& options, const torch::Tensor& sigma) {
  const double data = options.sigma_data;
  const torch::Tensor shifted = options.shifted ? sigma - options.sigma_min : sigma;
  const torch::Tensor norm = (sigma.square() + data * data).sqrt();
  return {data * data / (shifted.square() + data * data), shifted * data / norm, 1 / norm, sigma.log() / 4};
}

std::vector<double> edm_schedule(const EdmOptions& options) {
  const double power = 1 / options.rho;
  const double high = std::pow(options.sigma_max, power), low = std::pow(options.sigma_min, power);
  const int intervals = options.shifted ? options.steps : options.steps - 1;
  std::vector<double> sigma;
  for (int i = 0; i <= intervals; ++i)
    sigma.push_back(std::pow(high + (intervals ? static_cast<double>(i) / intervals : 0) * (low - high), options.rho));
  if (!options.shifted) sigma.push_back(0);
  return sigma;
}

EdmScale edm_scale(const EdmOptions& options) {
  return edm_scale(options, torch::tensor(edm_schedule(options), torch::kDouble));
}

std::vector<cuda::EdmRow> edm_rows(const EdmOptions& options) {
  const auto numbers = [](const torch::Tensor& x) {
    return std::vector<double>(x.const_data_ptr<double>(), x.const_data_ptr<double>() + x.numel());
  };
  const EdmScale scale = edm_scale(options);
  return cuda::edm_rows(edm_schedule(options), numbers(scale.skip), numbers(scale.out), numbers(scale.in));
}

torch::Tensor edm_denoise(const EdmOptions& options, const DenoiserNetwork& network, const torch::Tensor& x,
                          const torch::Tensor& mask, const torch::Tensor& mu, const torch::Tensor& sigma) {
  const EdmScale scale = edm_scale(options, sigma);
  const torch::Tensor rest = options.residual ? x - mu : x;
  const torch::Tensor c_noise = scale.noise.to(x.options());
  const torch::Tensor raw = masked(network(along(scale.in, x) * rest, mask, mu, c_noise).to(x.scalar_type()), mask);
  const torch::Tensor clean = along(scale.skip, x) * rest + along(scale.out, x) * raw;
  return options.residual ? clean + mu : clean;
}

torch::Tensor edm_guided_denoise(const EdmOptions& options, const DenoiserNetwork& network, const torch::Tensor& x,
                                 const torch::Tensor& mask, const torch::Tensor& mu, const torch::Tensor& sigma) {
  const torch::Tensor clean = edm_denoise(options, network, x, mask, mu, sigma);
  if (options.guidance == 0) return clean;
  const DenoiserNetwork blind = [&](const auto& in, const auto& frames, const auto& condition, const auto& level) {
    return network(in, frames, torch::zeros_like(condition), level);
  };
  const torch::Tensor base = edm_denoise(options, blind, x, mask, mu, sigma);
  return base + options.guidance * (clean - base);
}

torch::Tensor edm_sample(const EdmOptions& options, const DenoiserNetwork& network, const torch::Tensor& noise,
                         const torch::Tensor& mask, const torch::Tensor& mu, const EdmVisit& visit) {
  const std::vector<double> sigmas = edm_schedule(options);
  const auto slope = [&](const torch::Tensor& x, double s) {
    const torch::Tensor sigma = torch::full({x.size(0)}, s, x.options().dtype(torch::kDouble));
    return (x - edm_guided_denoise(options, network, x, mask, mu, sigma)) / s;
  };
  torch::Tensor x = noise * sigmas.front();
  if (options.residual) x = x + mu;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    if (visit) visit(x, sigmas[i]);
    const double step = sigmas[i + 1] - sigmas[i];
    const torch::Tensor before = slope(x, sigmas[i]);
    const torch::Tensor euler = x + before * step;
    const bool last = i + 2 == sigmas.size();
    x = options.heun && !last ? x + (before + slope(euler, sigmas[i + 1])) * (step / 2) : euler;
  }
  return x;
}

torch::Tensor edm_training_sigma(const EdmOptions& options, const torch::Tensor& normal) {
  return torch::exp(normal.to(torch::kDouble) * options.log_std + options.log_mean);
}

torch::Tensor edm_error(const EdmOptions& options, const torch::Tensor& denoised, const torch::Tensor& clean,
                        const torch::Tensor& mask, const torch::Tensor& sigma) {
  const double data = options.sigma_data;
  const torch::Tensor weight = (sigma.square() + data * data) / (sigma * data).square();
  return masked(along(weight, clean) * (denoised - clean).square(), mask).mean();
}

torch::Tensor edm_loss(const EdmOptions& options, const DenoiserNetwork& network, const torch::Tensor& clean,
                       const torch::Tensor& mask, const torch::Tensor& mu, const torch::Tensor& sigma,
                       const torch::Tensor& noise) {
  const torch::Tensor noisy = clean + along(sigma, clean) * noise;
  return edm_error(options, edm_guided_denoise(options, network, noisy, mask, mu, sigma), clean, mask, sigma);
}

}  // namespace fastsag::model
