// model/edm.h against the published sampler, as far as it can be held to it without the U-Net: where the mask is zero
// the network has no say, so whole walks are known; inside the mask the network's answers are recovered from the golden
// trajectory and played back.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "model/edm.h"
#include "model/hashed_normal.h"
#include "tests/support/golden.h"
#include "tests/support/shared.h"

namespace fastsag::test {
namespace {

using model::EdmOptions;
using torch::indexing::Slice;

uint64_t fnv1a64(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

torch::Tensor formula(const std::string& name, std::vector<int64_t> shape, double scale, bool normal) {
  torch::Tensor out = torch::empty(shape);
  const uint64_t key = fnv1a64("input:" + name);
  float* const data = out.data_ptr<float>();
  for (uint64_t i = 0; i < static_cast<uint64_t>(out.numel()); ++i)
    data[i] = normal
                  ? static_cast<float>(scale * model::hashed_normal(key, i))
                  : static_cast<float>(scale * (static_cast<double>(model::splitmix64(key + i) >> 11) * 0x1p-52 - 1));
  return out;
}
torch::Tensor normal(const std::string& name, std::vector<int64_t> shape) { return formula(name, shape, 1, true); }
torch::Tensor uniform(const std::string& name, std::vector<int64_t> shape) { return formula(name, shape, 1, false); }

torch::Tensor mask_of(int64_t frames, int64_t width) {
  return (torch::arange(width) < frames).to(torch::kFloat).view({1, 1, -1});
}

std::span<const float> values(const torch::Tensor& dense) {
  return {dense.data_ptr<float>(), static_cast<size_t>(dense.numel())};
}

// A network that must not matter: huge answers, so that any leak shows.
torch::Tensor shout(const torch::Tensor& x, const torch::Tensor&, const torch::Tensor&, const torch::Tensor&) {
  return torch::full_like(x, 1e6);
}

class EdmParity : public testing::Test {
 protected:
  void SetUp() override { FASTSAG_NEEDS(Golden::path("edm")); }

  // A part of a golden, with that golden's own tolerances.
  static void expect_part(const Golden& golden, const std::string& name, torch::Tensor ours, int64_t dim, Slice part) {
    const Tensor& all = golden[name];
    torch::Tensor full = torch::from_blob(const_cast<float*>(all.values.data()), all.shape).clone();
    std::vector<torch::indexing::TensorIndex> index(static_cast<size_t>(full.dim()), Slice());
    index[static_cast<size_t>(dim)] = part;
    ASSERT_EQ(full.index(index).sizes(), ours.sizes());
    full.index_put_(index, ours);  // the rest agrees with itself
    golden.expect_close(name, values(full));
  }
};

TEST_F(EdmParity, InputsFollowTheFormula) {
  const Golden golden("edm");
  const torch::Tensor z = normal("edm.z", {1, 100, 1024}).narrow(1, 0, 4).contiguous();
  expect_close(golden["z_first4"], values(z), 0, 0, "z");
  const torch::Tensor mu = formula("edm.mu", {1, 100, 1024}, .8, false).narrow(1, 0, 4).contiguous();
  expect_close(golden["mu_first4"], values(mu), 0, 0, "mu");
}

TEST_F(EdmParity, Schedule) {
  const Golden golden("edm");
  for (const int steps : {50, 4, 3}) {
    EdmOptions options;
    options.steps = steps;
    const std::vector<double> schedule = model::edm_schedule(options);
    const torch::Tensor sigma = torch::tensor(schedule, torch::kDouble);
    const std::string name = "schedule" + std::to_string(steps);
    golden.expect_close(name + ".sigma", values(sigma.to(torch::kFloat)));
    golden.expect_close(name + ".c_noise", values(model::edm_scale(options, sigma).noise.to(torch::kFloat)));
  }
}

TEST_F(EdmParity, AtTheSmallestSigmaTheDenoiserIsTheIdentity) {
  const Golden golden("edm");
  const auto narrow = [](const torch::Tensor& x) { return x.narrow(2, 0, 256).contiguous(); };
  const torch::Tensor z = narrow(normal("edm.z", {1, 100, 1024})), x0 = narrow(uniform("edm.x0", {1, 100, 1024}));
  for (const double s : {.002, .5, 80.0}) {
    const torch::Tensor clean =
        model::edm_denoise({}, shout, s * z + .5 * x0, mask_of(190, 256), x0, torch::tensor({s}, torch::kDouble));
    const std::string name = std::string("denoised_sigma") + (s == .002 ? "0.002" : s == .5 ? "0.5" : "80.0");
    if (s == .002)
      golden.expect_close(name, values(clean));
    else
      expect_part(golden, name, clean.narrow(2, 190, 66), 2, Slice(190));
  }
}

TEST_F(EdmParity, WalksOutsideTheMaskNeedNoNetwork) {
  const Golden golden("edm");
  EdmOptions options;
  options.steps = 4;
  const torch::Tensor z = normal("edm.z", {1, 100, 1024}), mu = torch::zeros_like(z);
  std::vector<torch::Tensor> trajectory;
  const auto visit = [&](const torch::Tensor& x, double) {
    trajectory.push_back(x.index({0, Slice(0, {}, 4), Slice(940, {}, 4)}));
  };
  const torch::Tensor wide = model::edm_sample(options, shout, z, mask_of(937, 1024), mu, visit);
  expect_part(golden, "sample4_cfg0", wide.narrow(2, 937, 87), 2, Slice(937));
  trajectory.push_back(
      wide.index({0, Slice(0, {}, 4), Slice(940, {}, 4)}));  // at sigma_min; the step to 0 does nothing
  expect_part(golden, "trajectory4_cfg0", torch::stack(trajectory), 2, Slice(235));

  options.guidance = 3;
  const auto narrow = [](const torch::Tensor& x) { return x.narrow(2, 0, 256).contiguous(); };
  const torch::Tensor guided = model::edm_sample(options, shout, narrow(z), mask_of(190, 256), narrow(mu));
  expect_part(golden, "sample4_cfg1", guided.narrow(2, 190, 66), 2, Slice(190));
}

TEST_F(EdmParity, FiftyStepsOutsideTheMask) {
  FASTSAG_NEEDS(Golden::path("edm50_short"));
  const Golden golden("edm50_short");
  const torch::Tensor z = normal("edm50.z", {1, 100, 32});
  for (const double guidance : {0.0, 3.0}) {
    EdmOptions options;
    options.guidance = guidance;
    const torch::Tensor x = model::edm_sample(options, shout, z, mask_of(27, 32), torch::zeros_like(z));
    expect_part(golden, guidance == 0 ? "sample50_cfg0" : "sample50_cfg1", x.narrow(2, 27, 5), 2, Slice(27));
  }
}

// The golden walk of five evaluations, inside the mask: D_i = x_i - (x_{i+1} - x_i) s_i / (s_{i+1} - s_i) is what the
// reference's network made of x_i. Fed back as F = (D - c_skip x) / c_out it must give the golden walk and its end.
TEST_F(EdmParity, ReplaysTheRecordedNetwork) {
  const Golden golden("edm");
  for (const double guidance : {0.0, 3.0}) {
    const std::string suffix = guidance == 0 ? "cfg0" : "cfg1";
    const Tensor& recorded = golden["trajectory4_" + suffix];
    const torch::Tensor x =
        torch::from_blob(const_cast<float*>(recorded.values.data()), recorded.shape).to(torch::kDouble);
    EdmOptions options;
    options.steps = 4;
    options.guidance = guidance;
    const std::vector<double> s = model::edm_schedule(options);
    const model::EdmScale scale = model::edm_scale(options, torch::tensor(s, torch::kDouble));
    int64_t evaluation = 0;
    const auto network = [&](const torch::Tensor& in, const torch::Tensor&, const torch::Tensor& mu,
                             const torch::Tensor&) {
      // Guided: the recorded D is D(0) + 3 (D(mu) - D(0)); any split will do: here D(0) = c_skip x.
      if (guidance != 0 && mu.abs().sum().item<double>() == 0) return torch::zeros_like(in);
      const int64_t i = evaluation++;
      const size_t k = static_cast<size_t>(i);
      const torch::Tensor clean = x[i] - (x[i + 1] - x[i]) * (s[k] / (s[k + 1] - s[k]));
      const torch::Tensor raw = (clean - scale.skip[i] * x[i]) / scale.out[i];
      return (raw / (guidance == 0 ? 1 : guidance)).unsqueeze(0).to(torch::kFloat);
    };
    std::vector<torch::Tensor> trajectory;
    const torch::Tensor start = (x[0] / s[0]).unsqueeze(0).to(torch::kFloat);
    const torch::Tensor end = model::edm_sample(options, network, start, {}, torch::ones_like(start),
                                                [&](const torch::Tensor& at, double) { trajectory.push_back(at[0]); });
    trajectory.push_back(end[0]);
    golden.expect_close("trajectory4_" + suffix, values(torch::stack(trajectory)));
    const Tensor& sample = golden["sample4_" + suffix];
    torch::Tensor full = torch::from_blob(const_cast<float*>(sample.values.data()), sample.shape).clone();
    full.index_put_({0, Slice(0, {}, 4), Slice(0, {}, 4)}, end[0]);
    golden.expect_close("sample4_" + suffix, values(full));
    EXPECT_EQ(evaluation, 4);
  }
}

TEST_F(EdmParity, TrainingDrawsOutsideTheMask) {
  FASTSAG_NEEDS(Golden::path("train_loss"));
  const Golden golden("train_loss");
  const torch::Tensor sigma = model::edm_training_sigma({}, normal("train.rnd_normal", {2, 1, 1}).view({2}));
  const torch::Tensor noisy = sigma.to(torch::kFloat).view({2, 1, 1}) * normal("train.noise", {2, 100, 1024});
  const torch::Tensor clean = model::edm_denoise({}, shout, noisy, mask_of(937, 1024), torch::zeros_like(noisy), sigma);
  // Columns 944, 952, .. of the golden's every 8th: padding, so clean is c_skip x whatever the network says.
  expect_part(golden, "denoised", clean.index({Slice(), Slice(0, {}, 4), Slice(944, {}, 8)}), 2, Slice(118));
}

}  // namespace
}  // namespace fastsag::test
