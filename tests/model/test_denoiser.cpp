#include "model/nn/denoiser.h"

#include <gtest/gtest.h>

#include "model/edm.h"

namespace fastsag::model {
namespace {

int64_t size_of(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const auto& parameter : module.parameters()) count += parameter.numel();
  return count;
}

// What the network answers after its (zeroed) output was given some weights.
Denoiser awake() {
  torch::manual_seed(3);
  Denoiser net;
  torch::NoGradGuard frozen;
  for (auto& parameter : net->named_parameters())
    if (parameter.key() == "out.weight") parameter.value().normal_(0, .1);
  return net;
}

TEST(Denoiser, HasAboutAMillionParameters) {
  Denoiser net;
  // Five blocks of 180480, FiLM 104000, in 32160, out 16100, level 2112.
  EXPECT_EQ(size_of(*net), 1056772);
}

TEST(Denoiser, StartsAsTheBestAnswerOfOneWhoKnowsNothing) {
  torch::NoGradGuard no_grad;
  Denoiser net;
  const EdmOptions edm = lite_edm_options();
  const torch::Tensor mu = torch::rand({2, 30, 100}), x = mu + .1 * torch::randn({2, 30, 100});
  const torch::Tensor sigma = torch::tensor({.05, .2}, torch::kDouble);
  const torch::Tensor clean = edm_denoise(
      edm, [&](auto&&... in) { return net->forward(in...); }, x, {}, mu, sigma);
  // sigma = sigma_data: half of the residual; sigma = 4 sigma_data: one 17th.
  EXPECT_LT((clean[0] - (mu[0] + .5 * (x[0] - mu[0]))).abs().max().item<double>(), 1e-6);
  EXPECT_LT((clean[1] - (mu[1] + (x[1] - mu[1]) / 17)).abs().max().item<double>(), 1e-6);
}

TEST(Denoiser, ListensToItsCondition) {
  torch::NoGradGuard no_grad;
  Denoiser net = awake();
  const torch::Tensor x = torch::randn({1, 20, 100}), mu = torch::rand({1, 20, 100}), low = torch::full({1}, -1.0);
  const torch::Tensor y = net->forward(x, {}, mu, low);
  EXPECT_GT((net->forward(x, {}, mu + .2, low) - y).abs().mean().item<double>(), 1e-3);
  EXPECT_GT((net->forward(x, {}, mu, low + .5) - y).abs().mean().item<double>(), 1e-3);
}

TEST(Denoiser, FramesOutsideTheMaskAreNotHeard) {
  torch::NoGradGuard no_grad;
  Denoiser net = awake();
  torch::Tensor x = torch::randn({1, 40, 100}), mu = torch::rand({1, 40, 100});
  const torch::Tensor mask = (torch::arange(40) < 30).to(torch::kFloat).view({1, 40, 1}), level = torch::full({1}, -.5);
  const torch::Tensor before = net->forward(x, mask, mu, level).slice(1, 0, 30).clone();
  x.slice(1, 30, 40).fill_(100);
  mu.slice(1, 30, 40).fill_(-100);
  EXPECT_TRUE(torch::equal(net->forward(x, mask, mu, level).slice(1, 0, 30), before));
}

TEST(WithGrain, CountsWhereNoiseIsAndLeavesPartialsAlone) {
  const torch::Tensor mu = torch::zeros({1, 2, 100}), out = with_grain(mu, torch::ones({1, 2, 100}));
  // Of 100 bands up to 12 kHz, band 45 is at 1.8 kHz and band 60 at 3.3 kHz, by the mel scale in use.
  EXPECT_EQ(out.narrow(2, 0, 44).abs().max().item<float>(), 0);
  EXPECT_EQ(out.narrow(2, 64, 36).min().item<float>(), 1);
  EXPECT_TRUE((out.diff(1, 2) >= 0).all().item<bool>()) << "no step back in between";
}

}  // namespace
}  // namespace fastsag::model
