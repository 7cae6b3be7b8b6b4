// model/paper/loss.h against the published training step: losses, gradients of their sum, norms before and after the
// two clips.
#include <gtest/gtest.h>

#include "model/formula.h"
#include "model/paper/loss.h"
#include "tests/parity/sliced.h"

namespace fastsag::test {
namespace {

class TrainParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    condition_ = std::make_shared<model::ConditionImpl>();
    unet_ = std::make_shared<model::UNetImpl>();
    model::fill_by_formula(*condition_, model::FormulaModel::fastsag);
    model::fill_by_formula(*unet_, model::FormulaModel::fastsag, "decoder.estimator.");
  }
  static void TearDownTestSuite() { condition_.reset(), unet_.reset(); }
  void SetUp() override { FASTSAG_NEEDS(Golden::path("train_loss")); }

  static model::PaperBatch batch(int64_t items) {
    return {model::formula_normal("train.x.semantic", {2, 96, 768}).narrow(0, 0, items),
            model::formula_normal("train.y.semantic", {2, 96, 768}).narrow(0, 0, items),
            model::formula_uniform("train.y.mel", {2, 100, 937}).narrow(0, 0, items)};
  }
  static model::PaperDraws draws(int64_t items) {
    return {model::formula_normal("train.rnd_normal", {2, 1, 1}).view({2}).narrow(0, 0, items),
            model::formula_normal("train.noise", {2, 100, 1024}).narrow(0, 0, items),
            {}};
  }
  static model::PaperLosses losses(int64_t items, const model::PaperDraws& draws, model::ConditionPath path,
                                   double guidance = 0) {
    model::Condition condition(condition_);
    model::UNet unet(unet_);
    model::EdmOptions edm;
    edm.guidance = guidance;
    return model::paper_losses(condition, unet, batch(items), draws, path, edm);
  }
  static void expect(const std::string& name, const std::vector<torch::Tensor>& scalars) {
    expect_golden(Golden("train_loss"), "train_loss", name, torch::stack(scalars).detach());
  }

  static inline std::shared_ptr<model::ConditionImpl> condition_;
  static inline std::shared_ptr<model::UNetImpl> unet_;
};

TEST_F(TrainParity, LossesGradientsAndClippedNorms) {
  const model::PaperLosses made = losses(2, draws(2), model::ConditionPath::bilinear);
  expect("losses", {made.semantic, made.prior, made.diffusion, made.total()});
  expect_golden(Golden("train_loss"), "train_loss", "denoised", made.denoised.detach());
  made.total().backward();

  const auto of_unet = unet_->named_parameters();
  const auto of_condition = condition_->named_parameters();
  const std::vector<torch::Tensor> watched = {of_unet["downs.0.0.block1.block.0.weight"],
                                              of_unet["mlp.0.weight"],
                                              of_unet["mid_attn.fn.fn.to_qkv.weight"],
                                              of_unet["ups.1.3.conv.weight"],
                                              of_condition["mixed_encoder.stacks.0.blocks.7.conv.weight"],
                                              of_condition["mixed_encoder.init_conv.weight"],
                                              of_condition["semantic_encoder.0.stacks.0.blocks.3.conv.weight"],
                                              of_condition["semantic_encoder.0.final_conv.bias"]};
  const auto norms = [&] {
    std::vector<torch::Tensor> out;
    for (const auto& parameter : watched) out.push_back(parameter.grad().norm());
    return out;
  };
  std::vector<torch::Tensor> heads;
  for (const auto& parameter : watched) heads.push_back(parameter.grad().flatten().narrow(0, 0, 16));
  expect("grad_norms", norms());
  expect("grad_head", heads);

  const auto total = [](const torch::nn::Module& module) {
    std::vector<torch::Tensor> each;
    for (const auto& parameter : module.parameters())
      if (parameter.grad().defined()) each.push_back(parameter.grad().norm());
    return torch::stack(each).norm();
  };
  expect("total_norms", {total(*condition_->mixed_encoder), total(*unet_), total(*condition_->semantic_encoder)});
  torch::nn::utils::clip_grad_norm_(condition_->mixed_encoder->parameters(), 1);
  torch::nn::utils::clip_grad_norm_(unet_->parameters(), 1);
  expect("clipped_norms", norms());
}

TEST_F(TrainParity, GuidedLossAndPerceiverWithDroppedFrames) {
  const torch::NoGradGuard no_grad;
  const model::PaperLosses guided = losses(1, draws(1), model::ConditionPath::bilinear, 3);
  expect("losses_cfg", {guided.semantic, guided.prior, guided.diffusion});
  model::PaperDraws dropping = draws(1);
  dropping.dropout = tensor_of(Golden("train_loss"), "dropout_logits").narrow(0, 0, 1);
  const model::PaperLosses perceiver = losses(1, dropping, model::ConditionPath::perceiver);
  expect("losses_perceiver_train", {perceiver.semantic, perceiver.prior, perceiver.diffusion});
}

}  // namespace
}  // namespace fastsag::test
