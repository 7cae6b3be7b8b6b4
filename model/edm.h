#pragma once
// The diffusion half of FastSAG: what a denoiser network is fed, how its answer becomes a clean mel, and the walk from
// noise to it. The published form and the residual form of the lite preset differ in options only.
//
// Shapes: x, mu and noise alike, any [B][..][..]; mask broadcasts to them (1 = frame to be made), undefined = all;
// sigma [B] double.
// Source: Karras et al. 2022 (eq. 7, Table 1); REFERENCE.md section 8 for where FastSAG departs from it.
#include <torch/torch.h>

#include <functional>
#include <vector>

#include "model/cuda/edm_step.h"

namespace fastsag::model {

struct EdmOptions {
  double sigma_data = .5;
  double sigma_min = .002, sigma_max = 80, rho = 7;
  // Published: s - sigma_min for s in c_skip and c_out, as in consistency models, so that D(x, sigma_min) = x.
  bool shifted = true;
  // Diffuse x - mu in place of x: what remains is small, so sigma_data is too.
  bool residual = false;
  int steps = 50;       // evaluations that matter; the published walk adds one that changes nothing
  double guidance = 0;  // D(0) + guidance * (D(mu) - D(0)); 0 = off. Published: 3
  bool heun =
      false;  // the mean of the slopes at both ends of a step, the last step's excepted: 2 steps - 1 evaluations
  // Of training: ln sigma ~ N(log_mean, log_std).
  double log_mean = -1.2, log_std = 1.2;
};
EdmOptions lite_edm_options();

struct EdmScale {
  torch::Tensor skip, out, in, noise;  // [B] double
};
EdmScale edm_scale(const EdmOptions& options, const torch::Tensor& sigma);

EdmScale edm_scale(const EdmOptions& options);  // at each sigma of the schedule

// steps + 1 values: network evaluations at all but the last, which is sigma_min (shifted: there D = x) or 0.
std::vector<double> edm_schedule(const EdmOptions& options);
std::vector<cuda::EdmRow> edm_rows(const EdmOptions& options);  // the same as the walks of our own read it

// F of Karras et al.: (scaled input, mask, mu, c_noise [B]) -> raw output.
using DenoiserNetwork = std::function<torch::Tensor(const torch::Tensor& x, const torch::Tensor& mask,
                                                    const torch::Tensor& mu, const torch::Tensor& c_noise)>;

// D(x; sigma), guidance not applied. Outside the mask the network's part is zero.
torch::Tensor edm_denoise(const EdmOptions& options, const DenoiserNetwork& network, const torch::Tensor& x,
                          const torch::Tensor& mask, const torch::Tensor& mu, const torch::Tensor& sigma);
// The same with guidance, where the options have any: two evaluations then.
torch::Tensor edm_guided_denoise(const EdmOptions& options, const DenoiserNetwork& network, const torch::Tensor& x,
                                 const torch::Tensor& mask, const torch::Tensor& mu, const torch::Tensor& sigma);

// The walk from `noise` (N(0, 1)) to a mel. `visit`, where given, sees x at each sigma of the schedule before it is
// evaluated there, and may replace it (what is known already, at that level of noise).
using EdmVisit = std::function<void(torch::Tensor& x, double sigma)>;
torch::Tensor edm_sample(const EdmOptions& options, const DenoiserNetwork& network, const torch::Tensor& noise,
                         const torch::Tensor& mask, const torch::Tensor& mu, const EdmVisit& visit = {});

// Training: sigma of every item from N(0, 1) draws, and the weighted mean square error over the frames of the mask
// (their sum over the number of all frames, as published).
torch::Tensor edm_training_sigma(const EdmOptions& options, const torch::Tensor& normal);
torch::Tensor edm_error(const EdmOptions& options, const torch::Tensor& denoised, const torch::Tensor& clean,
                        const torch::Tensor& mask, const torch::Tensor& sigma);
torch::Tensor edm_loss(const EdmOptions& options, const DenoiserNetwork& network, const torch::Tensor& clean,
                       const torch::Tensor& mask, const torch::Tensor& mu, const torch::Tensor& sigma,
                       const torch::Tensor& noise);

}  // namespace fastsag::model
