// The condition block and its parts at full size, with formula weights, against the published code.
#include <gtest/gtest.h>

#include "dsp/error.h"
#include "model/formula.h"
#include "model/paper/condition.h"
#include "tests/parity/manifest.h"
#include "tests/parity/sliced.h"

namespace fastsag::model {
namespace {

using test::expect_golden;
using test::Golden;

// One model for all cases: 150 million weights by formula take a second.
class ConditionParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    net_ = Condition();
    fill_by_formula(*net_, FormulaModel::fastsag);
    net_->eval();
  }
  static void TearDownTestSuite() { net_ = nullptr; }
  void SetUp() override { FASTSAG_NEEDS(Golden::path("condition")); }

  const torch::NoGradGuard no_grad_;
  static inline Condition net_{nullptr};
};

// The columns after each stack, and their skips, as the goldens hold them.
void expect_wavenet(WaveNet& net, const std::string& name, const torch::Tensor& x, int64_t stacks) {
  const Golden golden(name);
  const torch::Tensor start = net->init_conv(x);
  expect_golden(golden, name, "init_conv", start);
  std::vector<torch::Tensor> columns(8, start), skips;
  for (int64_t s = 0; s < stacks; ++s) {
    for (int64_t i = 0; i < 8; ++i) columns[i] = net->block(s, i)(columns[i]);
    const std::string stack = "stack" + std::to_string(s);
    if (golden.tensors().contains(stack)) expect_golden(golden, name, stack, torch::stack(columns));
  }
  for (int64_t i = 0; i < 8; ++i) skips.push_back(net->block(stacks - 1, i)->skip_conv(columns[i]));
  expect_golden(golden, name, "skips", torch::stack(skips));
  expect_golden(golden, name, "y", net(x));
}

TEST_F(ConditionParity, TensorsAreThePublishedOnes) {
  test::expect_manifest(*net_, "manifest_fastsag", "", [](const auto& key) { return key.starts_with("decoder."); });
}

TEST_F(ConditionParity, PriorWaveNet) {
  torch::Tensor x = formula_uniform("mixed_encoder.x", {2, 100, 1024});
  x.narrow(2, 937, 87).zero_();
  expect_wavenet(net_->mixed_encoder, "mixed_encoder", x, 4);
}

TEST_F(ConditionParity, SemanticWaveNet) {
  expect_wavenet(net_->semantic_encoder, "semantic_wavenet", formula_normal("semantic_wavenet.x", {1, 768, 96}), 8);
}

TEST_F(ConditionParity, Bilinear) {
  const Golden golden("bilinear");
  const torch::Tensor small = formula_normal("bilinear.small", {2, 24, 30});
  expect_golden(golden, "bilinear", "y", resize_bilinear(formula_normal("bilinear.x", {1, 768, 749}), 100, 937));
  expect_golden(golden, "bilinear", "small_7x37", resize_bilinear(small, 7, 37));
  expect_golden(golden, "bilinear", "small_50x11", resize_bilinear(small, 50, 11));
}

TEST_F(ConditionParity, Perceiver) {
  const Golden golden("perceiver");
  const torch::Tensor x = formula_normal("perceiver.x", {1, 749, 768});
  std::map<std::string, torch::Tensor> seen;
  expect_golden(golden, "perceiver", "y",
                net_->perceiver->forward(x, [&](const std::string& name, const auto& value) { seen[name] = value; }));
  for (const std::string name :
       {"cross_attn", "cross_ff", "layer0_attn", "layer0_ff", "layer5_ff", "decoder_cross_attn"}) {
    expect_golden(golden, "perceiver", name, seen[name]);
  }
  expect_golden(golden, "perceiver", "y_600", net_->perceiver->forward(x.narrow(1, 0, 600)));
}

TEST_F(ConditionParity, PerceiverForgetsTheOrderOfFrames) {  // so do weights that were published for it
  const torch::Tensor x = formula_normal("perceiver.x", {1, 749, 768});
  const torch::Tensor change = net_->perceiver->forward(x.flip(1)) - net_->perceiver->forward(x);
  EXPECT_LT(change.abs().max().item<float>(), 1e-5);
}

TEST_F(ConditionParity, Mu) {
  const Golden golden("condition");
  const torch::Tensor semantic = formula_normal("condition.semantic", {1, 749, 768});
  const torch::Tensor translated = net_->translate(semantic);
  for (const auto& [path, name] :
       {std::pair{ConditionPath::bilinear, "bilinear."}, std::pair{ConditionPath::perceiver, "perceiver."}}) {
    const auto expect = [&, start = std::string(name)](const std::string& part, const torch::Tensor& full) {
      expect_golden(golden, "condition", start + part, full);
    };
    expect("semantic_x2y", translated);
    const torch::Tensor condition = net_->resample(translated + semantic, 937, path);
    expect("x_cond", pad_frames(condition, 1024));
    expect("mu", net_->prior(condition));
  }
  expect_golden(golden, "condition", "use_x_mel.mu", net_->prior(formula_uniform("condition.mel", {1, 100, 937})));
}

TEST_F(ConditionParity, ShorterWindowsTakeTheBilinearPathOnly) {
  const torch::Tensor semantic = formula_normal("condition.semantic", {1, 60, 768});
  EXPECT_EQ(net_->forward(semantic, 75, ConditionPath::bilinear).size(2), 1024);
  EXPECT_THROW(net_->forward(semantic, 75, ConditionPath::perceiver), Error);
  EXPECT_THROW(net_->forward(semantic, 1025, ConditionPath::bilinear), Error);
}

// The draws of the published training step: 96 frames, the 86 largest stay.
TEST(Perceiver, DropsTheFramesWithTheSmallestDraws) {
  const torch::Tensor draws = torch::randn({2, 96}), data = torch::arange(192).view({2, 96, 1}).to(torch::kFloat);
  const torch::Tensor kept = drop_frames(data, draws);
  ASSERT_EQ(kept.sizes(), (std::vector<int64_t>{2, 86, 1}));
  const torch::Tensor place = (kept[1] - 96).to(torch::kLong).view({86});
  const torch::Tensor drawn = draws[1].index({place});
  EXPECT_TRUE((drawn.diff() <= 0).all().item<bool>());
  EXPECT_EQ((draws[1] < drawn[85]).sum().item<int64_t>(), 10);
}

TEST(Condition, GoesWithoutAPerceiver) {
  Condition small(PaperSizes{.semantic_channels = 32, .semantic_stacks = 2, .semantic_blocks = 3, .perceiver = false});
  const torch::Tensor semantic = torch::randn({1, 20, 32});
  EXPECT_EQ(small->forward(semantic, 25, ConditionPath::bilinear).sizes(), (std::vector<int64_t>{1, 100, 1024}));
  EXPECT_THROW(small->forward(semantic, 937, ConditionPath::perceiver), Error);
}

}  // namespace
}  // namespace fastsag::model
