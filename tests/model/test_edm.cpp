// What the residual form of the lite preset adds; the published form is held to golden tensors in tests/parity.
#include "model/edm.h"

#include <gtest/gtest.h>

#include <cmath>

namespace fastsag::model {
namespace {

torch::Tensor zeros(const torch::Tensor& x, const torch::Tensor&, const torch::Tensor&, const torch::Tensor&) {
  return torch::zeros_like(x);
}

EdmOptions lite_of(int steps) {
  EdmOptions options = lite_edm_options();
  options.steps = steps;
  return options;
}

TEST(Edm, PlainScheduleEvaluatesAtBothEndsThenGoesToZero) {
  EdmOptions options = lite_of(4);
  options.sigma_max = 80;
  options.sigma_min = .05;
  const auto sigma = edm_schedule(options);
  ASSERT_EQ(sigma.size(), 5u);
  EXPECT_NEAR(sigma[0], 80, 1e-9);
  EXPECT_NEAR(sigma[1], 18, .3);  // rho 5: 80, 18, 2.2, .05
  EXPECT_NEAR(sigma[2], 2.2, .05);
  EXPECT_NEAR(sigma[3], .05, 1e-9);
  EXPECT_EQ(sigma[4], 0);
  EXPECT_EQ(edm_schedule(lite_of(1)).size(), 2u);
}

TEST(Edm, UnitVarianceInAndOut) {
  // c_in x has variance one, and c_out F + c_skip noise is the residual's: Karras et al., appendix B.6.
  EdmOptions options = lite_of(2);
  const torch::Tensor sigma = torch::tensor({.01, .05, .3, 2.0}, torch::kDouble);
  const EdmScale scale = edm_scale(options, sigma);
  const double data = options.sigma_data;
  EXPECT_LT((scale.in.square() * (sigma.square() + data * data) - 1).abs().max().item<double>(), 1e-12);
  const torch::Tensor target = (1 - scale.skip).square() * data * data + scale.skip.square() * sigma.square();
  EXPECT_LT((target / scale.out.square() - 1).abs().max().item<double>(), 1e-12);
  EXPECT_LT((scale.noise * 4 - sigma.log()).abs().max().item<double>(), 1e-12);
}

TEST(Edm, ANetworkThatKnowsNothingLeavesMu) {
  // The last evaluation leaves c_skip of the smallest residual: with steps enough x ends at mu plus a small draw.
  const EdmOptions options = lite_of(8);
  const torch::Tensor mu = torch::rand({1, 50, 100});
  const torch::Tensor x = edm_sample(options, zeros, torch::randn({1, 50, 100}), {}, mu);
  EXPECT_LT((x - mu).std().item<double>(), 2 * options.sigma_data);
  EXPECT_NEAR((x - mu).mean().item<double>(), 0, .005);
}

TEST(Edm, AnOracleIsFollowedExactly) {
  const torch::Tensor mu = torch::rand({2, 10, 100}), truth = mu + .05 * torch::randn({2, 10, 100});
  for (const int steps : {1, 2, 5}) {
    const EdmOptions options = lite_of(steps);
    const auto oracle = [&](const torch::Tensor& in, const torch::Tensor&, const torch::Tensor& m,
                            const torch::Tensor& c_noise) {
      const EdmScale scale = edm_scale(options, (4 * c_noise.to(torch::kDouble)).exp());
      const auto item = [](const torch::Tensor& s) { return s.to(torch::kFloat).view({-1, 1, 1}); };
      return (truth - m - item(scale.skip) * in / item(scale.in)) / item(scale.out);
    };
    const torch::Tensor x = edm_sample(options, oracle, torch::randn_like(mu), {}, mu);
    EXPECT_LT((x - truth).abs().max().item<double>(), 1e-4) << steps;  // the last step goes to D itself
  }
}

TEST(Edm, HeunIsOfSecondOrder) {
  // F = 0 is the ideal denoiser of N(0, sigma_data^2), whose walk is known: x / sqrt(sigma_data^2 + s^2) stays what it
  // is. Twice the steps: half the error of Euler's walk, a quarter of Heun's (its last step, Euler's, aside).
  const auto error = [](bool heun, int steps) {
    EdmOptions options{.sigma_min = .05, .shifted = false};
    options.heun = heun;
    options.steps = steps;
    int evaluations = 0;
    const auto count = [&](const torch::Tensor& x, const torch::Tensor&, const torch::Tensor&, const torch::Tensor&) {
      ++evaluations;
      return torch::zeros_like(x);
    };
    double found = 0;
    const auto visit = [&](const torch::Tensor& x, double sigma) { found = x.item<double>() / std::hypot(.5, sigma); };
    const torch::Tensor start = torch::ones({1, 1, 1}, torch::kDouble);
    edm_sample(options, count, start, {}, torch::zeros_like(start), visit);  // the last visit is at sigma_min
    EXPECT_EQ(evaluations, heun ? 2 * steps - 1 : steps);
    return std::abs(found - 80 / std::hypot(.5, 80));
  };
  EXPECT_NEAR(error(false, 40) / error(false, 80), 2, .2);
  EXPECT_NEAR(error(true, 40) / error(true, 80), 4, .6);
  EXPECT_LT(error(true, 40), error(false, 80) / 4);  // for one evaluation less
}

TEST(Edm, LossOfIgnoranceIsOneInEveryForm) {
  // F = 0 on data of deviation sigma_data: the weight is made so that the expected loss is 1 at every sigma.
  for (EdmOptions options : {EdmOptions{.shifted = false}, lite_edm_options()}) {
    torch::manual_seed(5);
    const torch::Tensor mu = torch::rand({4, 200, 100});
    torch::Tensor clean = options.sigma_data * torch::randn({4, 200, 100});
    if (options.residual) clean = clean + mu;
    const torch::Tensor sigma = torch::tensor({.02, .1, .7, 5.0}, torch::kDouble);
    EXPECT_NEAR(edm_loss(options, zeros, clean, {}, mu, sigma, torch::randn_like(clean)).item<double>(), 1, .02);
  }
}

TEST(Edm, TrainingSigmaIsLogNormal) {
  const torch::Tensor sigma = edm_training_sigma(lite_edm_options(), torch::tensor({-1.0, 0.0, 2.0}));
  EXPECT_NEAR(sigma[0].item<double>(), std::exp(-3.9), 1e-9);
  EXPECT_NEAR(sigma[1].item<double>(), std::exp(-2.6), 1e-9);
  EXPECT_NEAR(sigma[2].item<double>(), 1, 1e-9);
}

}  // namespace
}  // namespace fastsag::model
