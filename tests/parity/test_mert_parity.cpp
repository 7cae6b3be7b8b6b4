// MERT-v1-95M at full size, with formula weights, against transformers' HubertModel. All twelve layers here; FastSAG
// needs seven.
#include <gtest/gtest.h>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "model/formula.h"
#include "model/nn/mert.h"
#include "tests/parity/manifest.h"
#include "tests/parity/sliced.h"

namespace fastsag::model {
namespace {

using test::Golden;

class MertParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    net_ = Mert(12);
    fill_by_formula(*net_, FormulaModel::mert);
    net_->eval();
  }
  static void TearDownTestSuite() { net_ = nullptr; }
  void SetUp() override { FASTSAG_NEEDS(Golden::path("mert_v1_95m")); }

  static void expect_clip(const std::string& clip) {
    const Golden golden("mert_v1_95m");
    const auto expect = [&](const std::string& name, const torch::Tensor& full) {
      test::expect_golden(golden, "mert_v1_95m", clip + "." + name, full);
    };
    std::vector<float> wave = golden[clip + ".audio_i16"].values;
    for (float& x : wave) x /= 32768;
    dsp::minmax_scale(wave);
    const torch::Tensor audio = torch::tensor(wave).unsqueeze(0);
    expect("input_head", audio);

    const torch::Tensor cut = audio.narrow(1, 0, static_cast<int64_t>(golden[clip + ".input_length"].values[0]));
    expect("conv0", torch::gelu(net_->convolutions->first_norm(net_->convolutions->convs[0](cut.unsqueeze(1)))));
    const torch::Tensor features = net_->convolutions(cut);
    expect("feature_extractor", features);
    const torch::Tensor projected = net_->project(features);
    expect("feature_projection", projected);
    expect("pos_conv_embed", net_->positions(projected));

    const auto hidden = net_->forward(audio);
    expect("layer0_attention", net_->layer(0)->attend(hidden[0]));
    for (const size_t i : {0, 1, 7, 12}) expect("hidden" + std::to_string(i), hidden[i]);
    expect("embed", normalise_frames(hidden[7]));
    EXPECT_EQ(hidden[0].size(1), mert_frames(audio.size(1)));
  }

  const torch::NoGradGuard no_grad_;
  static inline Mert net_{nullptr};
};

TEST_F(MertParity, TensorsAreThePublishedOnes) {
  test::expect_manifest(*net_, "manifest_mert_v1_95m", "", [](const auto& key) { return key == "masked_spec_embed"; });
}

TEST_F(MertParity, ThreeSeconds) { expect_clip("3s"); }

TEST_F(MertParity, AnOddLengthIsCut) { expect_clip("odd"); }

TEST_F(MertParity, SevenLayersGiveWhatTwelveGive) {
  Mert seven;
  fill_by_formula(*seven, FormulaModel::mert);
  const torch::Tensor audio = .5 * formula_uniform("mert.any", {2, 3200});
  EXPECT_TRUE(torch::equal(seven->embed(audio), normalise_frames(net_->forward(audio)[7])));
}

TEST(Mert, AudioOfNoFrameIsRefused) {
  Mert net(1);
  EXPECT_EQ(net->forward(torch::rand({1, 640}))[1].size(1), 1);
  EXPECT_THROW(net->forward(torch::rand({1, 639})), Error);
}

}  // namespace
}  // namespace fastsag::model
