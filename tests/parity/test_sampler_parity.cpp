// model/edm.h with the real U-Net: the denoiser, whole walks with and without guidance, and the model from semantic
// features to a mel. test_edm_parity.cpp holds what needs no network.
#include <gtest/gtest.h>

#include "model/edm.h"
#include "model/formula.h"
#include "model/nn/unet.h"
#include "model/nn/unet_walk.h"
#include "model/paper/condition.h"
#include "tests/parity/sliced.h"

namespace fastsag::test {
namespace {

using model::EdmOptions;

class SamplerParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    unet_ = std::make_shared<model::UNetImpl>();
    model::fill_by_formula(*unet_, model::FormulaModel::fastsag, "decoder.estimator.");
    unet_->prepare();
  }
  static void TearDownTestSuite() { unet_.reset(); }

  static torch::Tensor network(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                               const torch::Tensor& c_noise) {
    return unet_->forward(x, mask, mu, c_noise);
  }
  static torch::Tensor narrow(const torch::Tensor& x) { return x.narrow(2, 0, 256).contiguous(); }

  const torch::NoGradGuard no_grad_;
  static inline std::shared_ptr<model::UNetImpl> unet_;
};

TEST_F(SamplerParity, Denoiser) {
  FASTSAG_NEEDS(Golden::path("edm"));
  const Golden golden("edm");
  const torch::Tensor mu = narrow(model::formula_uniform("edm.mu", {1, 100, 1024}, .8));
  const torch::Tensor z = narrow(model::formula_normal("edm.z", {1, 100, 1024}));
  const torch::Tensor x0 = narrow(model::formula_uniform("edm.x0", {1, 100, 1024}));
  for (const auto& [name, s] : {std::pair("0.002", .002), {"0.5", .5}, {"80.0", 80.}}) {
    const torch::Tensor clean =
        model::edm_denoise({}, network, s * z + .5 * x0, mask_of(190, 256), mu, torch::tensor({s}, torch::kDouble));
    expect_golden(golden, "edm", std::string("denoised_sigma") + name, clean);
  }
}

TEST_F(SamplerParity, WalksOfFourSteps) {
  FASTSAG_NEEDS(Golden::path("edm"));
  const Golden golden("edm");
  const torch::Tensor mu = model::formula_uniform("edm.mu", {1, 100, 1024}, .8);
  const torch::Tensor z = model::formula_normal("edm.z", {1, 100, 1024});
  for (const bool guided : {false, true}) {
    EdmOptions options;
    options.steps = 4;
    options.guidance = guided ? 3 : 0;
    std::vector<torch::Tensor> trajectory;
    const auto visit = [&](const torch::Tensor& x, double) { trajectory.push_back(x[0]); };
    const torch::Tensor mask = guided ? mask_of(190, 256) : mask_of(937, 1024);
    const torch::Tensor end =
        model::edm_sample(options, network, guided ? narrow(z) : z, mask, guided ? narrow(mu) : mu, visit);
    trajectory.push_back(end[0]);  // x at sigma_min, where the published walk evaluates once more to no effect
    const std::string suffix = guided ? "cfg1" : "cfg0";
    expect_golden(golden, "edm", "sample4_" + suffix, end);
    expect_golden(golden, "edm", "trajectory4_" + suffix, torch::stack(trajectory));
  }
}

TEST_F(SamplerParity, FiftySteps) {
  FASTSAG_NEEDS(Golden::path("edm50_short"));
  const Golden golden("edm50_short");
  for (const bool guided : {false, true}) {
    EdmOptions options;
    options.guidance = guided ? 3 : 0;
    const torch::Tensor x =
        model::edm_sample(options, network, tensor_of(golden, "z"), mask_of(27, 32), tensor_of(golden, "mu"));
    expect_golden(golden, "edm50_short", guided ? "sample50_cfg1" : "sample50_cfg0", x);
  }
}

// The walk that a GPU is given, cuda/edm_step.h between two evaluations, through the kernels' references.
TEST_F(SamplerParity, WalksAsOnAGpu) {
  FASTSAG_NEEDS(Golden::path("edm50_short"));
  FASTSAG_NEEDS(Golden::path("edm"));
  model::UNet unet;
  model::fill_by_formula(*unet, model::FormulaModel::fastsag, "decoder.estimator.");
  unet->prepare(torch::kFloat, model::NetWay::gpu);
  model::UNetWalk walk(unet);
  const Golden fifty("edm50_short"), four("edm");
  EdmOptions options;
  expect_golden(fifty, "edm50_short", "sample50_cfg0",
                walk(options, {tensor_of(fifty, "z"), tensor_of(fifty, "mu"), {}, {}, 27}));
  options.steps = 4;
  expect_golden(four, "edm", "sample4_cfg0",
                walk(options, {model::formula_normal("edm.z", {1, 100, 1024}),
                               model::formula_uniform("edm.mu", {1, 100, 1024}, .8),
                               {},
                               {},
                               937}));
}

TEST_F(SamplerParity, FromSemanticFeaturesToMel) {
  FASTSAG_NEEDS(Golden::path("end_to_end"));
  const Golden golden("end_to_end");
  model::Condition condition;
  model::fill_by_formula(*condition, model::FormulaModel::fastsag);
  condition->eval();
  const torch::Tensor semantic = model::formula_normal("condition.semantic", {1, 749, 768});
  const torch::Tensor z = model::formula_normal("e2e.z", {1, 100, 1024});
  for (const auto& [name, path] :
       {std::pair("bilinear", model::ConditionPath::bilinear), {"perceiver", model::ConditionPath::perceiver}}) {
    const torch::Tensor mu = condition->forward(semantic, 937, path);
    expect_golden(golden, "end_to_end", std::string(name) + ".y_enc", mu.narrow(2, 0, 937));
    EdmOptions options;
    options.steps = 4;
    const torch::Tensor x = model::edm_sample(options, network, z, mask_of(937, 1024), mu);
    expect_golden(golden, "end_to_end", std::string(name) + ".y_dec", x.narrow(2, 0, 937));
  }
}

}  // namespace
}  // namespace fastsag::test
