// The trainer's own step on the published training case: two pieces whose gradients add up, then clipping by part.
#include <gtest/gtest.h>

#include "model/formula.h"
#include "model/train/paper_part.h"
#include "model/train/trainee.h"
#include "tests/parity/sliced.h"

namespace fastsag::test {
namespace {

struct GoldenPart : model::Part {
  GoldenPart() : net(model::PaperSizes{}) {
    model::fill_by_formula(*net, model::FormulaModel::fastsag);  // names are the published ones: no prefix
  }
  std::string name() const override { return "paper"; }
  torch::nn::Module& module() override { return *net; }
  model::PartOptions options() const override { return {.learning_rate = 0, .weight_decay = 0, .ema = 0, .clip = 1}; }
  int64_t pieces() const override { return 2; }
  std::vector<std::string> clipped() const override { return {"mixed_encoder.", "decoder."}; }
  torch::Tensor loss(const model::BatchKey& key, std::map<std::string, double>&) override {
    const auto item = [&](const torch::Tensor& both) { return both.narrow(0, key.piece, 1); };
    const model::PaperBatch batch = {item(model::formula_normal("train.x.semantic", {2, 96, 768})),
                                     item(model::formula_normal("train.y.semantic", {2, 96, 768})),
                                     item(model::formula_uniform("train.y.mel", {2, 100, 937}))};
    const model::PaperDraws draws = {item(model::formula_normal("train.rnd_normal", {2, 1, 1}).view({2})),
                                     item(model::formula_normal("train.noise", {2, 100, 1024})),
                                     {}};
    return paper_losses(net->condition, net->unet, batch, draws, model::ConditionPath::bilinear).total() / 2;
  }
  std::map<std::string, double> validate() override { return {}; }
  model::PaperNet net;
};

TEST(TrainerParity, PiecesThenClippingByPart) {
  FASTSAG_NEEDS(Golden::path("train_loss"));
  model::Group group;
  model::Trainee trainee(std::make_unique<GoldenPart>(), {}, 1, group);
  const std::atomic<bool> stop{false};
  trainee.train_step(stop);
  const auto named = trainee.part().module().named_parameters();
  std::vector<torch::Tensor> norms;
  for (const char* name : {"decoder.estimator.downs.0.0.block1.block.0.weight", "decoder.estimator.mlp.0.weight",
                           "decoder.estimator.mid_attn.fn.fn.to_qkv.weight", "decoder.estimator.ups.1.3.conv.weight",
                           "mixed_encoder.stacks.0.blocks.7.conv.weight", "mixed_encoder.init_conv.weight",
                           "semantic_encoder.0.stacks.0.blocks.3.conv.weight", "semantic_encoder.0.final_conv.bias"})
    norms.push_back(named[name].grad().norm());
  expect_golden(Golden("train_loss"), "train_loss", "clipped_norms", torch::stack(norms));
}

}  // namespace
}  // namespace fastsag::test
