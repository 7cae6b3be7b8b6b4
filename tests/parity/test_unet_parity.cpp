// nn/unet.h at full size: every part of it, as constructed, as prepared, and as a GPU is given it.
#include <gtest/gtest.h>

#include "model/formula.h"
#include "model/nn/unet.h"
#include "tests/parity/sliced.h"

namespace fastsag::test {
namespace {

class UNetParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    unet_ = std::make_shared<model::UNetImpl>();
    model::fill_by_formula(*unet_, model::FormulaModel::fastsag, "decoder.estimator.");
  }
  static void TearDownTestSuite() { unet_.reset(); }
  void SetUp() override { FASTSAG_NEEDS(Golden::path("unet")); }

  static void expect_all_parts() {
    const torch::NoGradGuard no_grad;
    const Golden golden("unet");
    const torch::Tensor x = model::formula_normal("unet.x", {1, 100, 1024});
    const torch::Tensor mu = model::formula_uniform("unet.mu", {1, 100, 1024}), c_noise = tensor_of(golden, "c_noise");
    const std::vector<std::string> sigmas = {"0.002", "0.5", "80.0"};
    int parts = 0;
    for (size_t i = 0; i < sigmas.size(); ++i) {
      if (i == 1) {
        unet_->tap = [&](const std::string& name, const torch::Tensor& value) {
          const std::string key = "sigma0.5." + name;
          if (golden.tensors().contains(key)) expect_golden(golden, "unet", key, value), ++parts;
        };
      }
      const torch::Tensor y = unet_->forward(x, mask_of(937, 1024), mu, c_noise.narrow(0, static_cast<int64_t>(i), 1));
      unet_->tap = {};
      expect_golden(golden, "unet", "y_sigma" + sigmas[i], y);
    }
    EXPECT_GE(parts, 15);  // of 20: what a fused way never has by itself is left out
  }

  static inline std::shared_ptr<model::UNetImpl> unet_;
};

TEST_F(UNetParity, EveryPartAsConstructed) { expect_all_parts(); }

TEST_F(UNetParity, EveryPartAsPrepared) {
  unet_->prepare();
  expect_all_parts();
}

// The kernels of model/cuda, through their references.
TEST_F(UNetParity, EveryPartAsOnAGpu) {
  unet_->prepare(torch::kFloat, model::NetWay::gpu);
  ASSERT_NE(unet_->cuda(), nullptr);
  expect_all_parts();
}

}  // namespace
}  // namespace fastsag::test
