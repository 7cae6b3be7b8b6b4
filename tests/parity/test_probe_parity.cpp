// model/probe.h: every block as a person would compare it, a golden case's inputs in a file and formula weights; and
// what a mistake is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dsp/mel.h"
#include "model/checkpoint.h"
#include "model/formula.h"
#include "model/nn/wavenet.h"
#include "model/probe.h"
#include "tests/parity/sliced.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using test::expect_golden;
using test::Golden;
using test::tensor_of;
using testing::AllOf;
using testing::HasSubstr;

class ProbeParity : public testing::Test {
 protected:
  void SetUp() override { FASTSAG_NEEDS(Golden::path("condition")); }

  std::map<std::string, torch::Tensor> run(const std::string& block, const NamedTensors& inputs,
                                           const std::map<std::string, std::string>& options = {},
                                           const std::string& weights = "formula") {
    save_tensors(folder_ / "in", inputs, {}, Storage::fp32);
    probe({block, folder_ / "in", folder_ / "out", weights, options});
    const SafetensorsFile file(folder_ / "out");
    std::map<std::string, torch::Tensor> outputs;
    for (const TensorInfo& info : file.header().tensors) outputs[info.name] = read_tensor(file, info);
    return outputs;
  }
  void expect(const std::string& file, const std::string& golden, const torch::Tensor& ours) {
    expect_golden(Golden(file), file, golden, ours);
  }
  std::string complaint(const std::string& block, const NamedTensors& inputs,
                        const std::map<std::string, std::string>& options = {},
                        const std::string& weights = "formula") {
    try {
      run(block, inputs, options, weights);
    } catch (const ProbeError& error) {
      EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
      return error.what();
    }
    return "no complaint";
  }
  static torch::Tensor frames(int64_t count) { return torch::tensor({count}); }

  const test::Scratch folder_;
};

TEST_F(ProbeParity, Mel) {
  const torch::Tensor audio = tensor_of(Golden("mel_frontend"), "audio_i16") / 32768;
  expect("mel_frontend", "mel_raw", run("mel", {{"audio", audio}}, {}, "")["mel"]);
}

TEST_F(ProbeParity, WaveNetsPerceiverBilinear) {
  const torch::Tensor features = formula_normal("semantic_wavenet.x", {1, 768, 96});
  expect("mixed_encoder", "y", run("mixed_encoder", {{"x", tensor_of(Golden("mixed_encoder"), "x")}})["y"]);
  expect("semantic_wavenet", "y", run("semantic_wavenet", {{"x", features}})["y"]);
  expect("perceiver", "y", run("perceiver", {{"x", formula_normal("perceiver.x", {1, 749, 768})}})["y"]);
  const torch::Tensor small = formula_normal("bilinear.small", {2, 24, 30});
  expect("bilinear", "small_7x37", run("bilinear", {{"x", small}, {"size", torch::tensor({7, 37})}}, {}, "")["y"]);
}

TEST_F(ProbeParity, Condition) {
  const torch::Tensor semantic = formula_normal("condition.semantic", {1, 749, 768});
  for (const std::string path : {"perceiver", "bilinear"}) {
    const auto made = run("condition", {{"semantic", semantic}, {"frames", frames(937)}}, {{"path", path}});
    expect("condition", path + ".mu", made.at("mu"));
  }
}

TEST_F(ProbeParity, Denoising) {
  const torch::Tensor x = formula_normal("unet.x", {1, 100, 1024}), mu = formula_uniform("unet.mu", {1, 100, 1024});
  const torch::Tensor c_noise = tensor_of(Golden("unet"), "c_noise")[1];
  expect("unet", "y_sigma0.5", run("unet", {{"x", x}, {"mu", mu}, {"frames", frames(937)}, {"c_noise", c_noise}})["y"]);

  const auto narrow = [](const torch::Tensor& wide) { return wide.narrow(2, 0, 256).contiguous(); };
  const torch::Tensor mu2 = narrow(formula_uniform("edm.mu", {1, 100, 1024}, .8));
  const torch::Tensor z = narrow(formula_normal("edm.z", {1, 100, 1024}));
  const torch::Tensor noisy = .5 * z + .5 * narrow(formula_uniform("edm.x0", {1, 100, 1024}));
  const torch::Tensor sigma = torch::tensor({.5f});
  const auto made = run("denoiser", {{"x", noisy}, {"mu", mu2}, {"frames", frames(190)}, {"sigma", sigma}});
  expect("edm", "denoised_sigma0.5", made.at("y"));

  const NamedTensors walk = {{"z", z}, {"mu", mu2}, {"frames", frames(190)}};
  expect("edm", "sample4_cfg1", run("sampler", walk, {{"steps", "4"}, {"cfg", "1"}})["y"]);
  const Golden fifty("edm50_short");
  const NamedTensors plain = {{"z", tensor_of(fifty, "z")}, {"mu", tensor_of(fifty, "mu")}, {"frames", frames(27)}};
  expect("edm50_short", "sample50_cfg0", run("sampler", plain)["y"]);
}

TEST_F(ProbeParity, Vocoders) {
  const Golden golden("amp_activation");
  const auto made = run(
      "amp",
      {{"x", tensor_of(golden, "x37")}, {"alpha", tensor_of(golden, "alpha")}, {"beta", tensor_of(golden, "beta")}});
  expect("amp_activation", "y37", made.at("y"));
  const torch::Tensor mel = tensor_of(Golden("bigvgan_24khz_100band"), "mel");
  expect("bigvgan_24khz_100band", "wav", run("bigvgan", {{"mel", mel}})["audio"]);
  expect("bigvgan_v2_24khz_100band_256x", "wav", run("bigvgan_v2", {{"mel", mel}})["audio"]);
}

TEST_F(ProbeParity, Mert) {
  std::vector<float> wave = Golden("mert_v1_95m")["odd.audio_i16"].values;
  dsp::minmax_scale(wave);
  const auto made = run("mert", {{"audio", torch::tensor(wave)}});
  for (const std::string hidden : {"hidden0", "hidden1", "hidden7"})
    expect("mert_v1_95m", "odd." + hidden, made.at(hidden));
}

TEST_F(ProbeParity, Loss) {
  const Golden golden("train_loss");
  const NamedTensors inputs = {{"x.semantic", formula_normal("train.x.semantic", {2, 96, 768})},
                               {"y.semantic", formula_normal("train.y.semantic", {2, 96, 768})},
                               {"y.mel", formula_uniform("train.y.mel", {2, 100, 937})},
                               {"rnd_normal", tensor_of(golden, "rnd_normal")},
                               {"noise", formula_normal("train.noise", {2, 100, 1024})}};
  for (const auto& [name, value] : run("loss", inputs, {{"path", "bilinear"}})) expect("train_loss", name, value);
}

// Weights of a file and weights by formula are the same weights; another prefix makes others.
TEST_F(ProbeParity, WeightsOfAFile) {
  WaveNet net(100, 4, 8);
  fill_by_formula(*net, FormulaModel::fastsag, "mixed_encoder.", "other:");
  const PrefixedModule part{"mixed_encoder", net.get()};
  save_modules(folder_ / "weights", std::span(&part, 1), {}, Storage::fp32);
  const NamedTensors inputs = {{"x", formula_uniform("any", {1, 100, 40})}};
  const torch::Tensor of_file = run("mixed_encoder", inputs, {}, folder_ / "weights")["y"];
  EXPECT_TRUE(torch::equal(of_file, run("mixed_encoder", inputs, {}, "formula:other:")["y"]));
  EXPECT_GT((of_file - run("mixed_encoder", inputs)["y"]).abs().max().item<float>(), .1);
}

TEST_F(ProbeParity, MistakesAreNamed) {
  const NamedTensors x = {{"x", torch::zeros({1, 100, 8})}};
  EXPECT_THAT(complaint("wavenet", x),
              AllOf(HasSubstr("unknown block wavenet"), HasSubstr("semantic_wavenet, perceiver")));
  EXPECT_THAT(complaint("unet", x), AllOf(HasSubstr("no tensor mu"), HasSubstr("found x")));
  EXPECT_THAT(complaint("semantic_wavenet", x), AllOf(HasSubstr("[1, 100, 8]"), HasSubstr("[any, 768, any]")));
  EXPECT_THAT(complaint("mixed_encoder", x, {{"path", "bilinear"}}), HasSubstr("no option path"));
  EXPECT_THAT(complaint("condition", x, {{"path", "nearest"}}), HasSubstr("one of perceiver, bilinear"));
  EXPECT_THAT(complaint("sampler", x, {{"steps", "0"}}), HasSubstr("from 1 to 1000"));
  EXPECT_THAT(complaint("mixed_encoder", x, {}, ""), HasSubstr("needs --weights"));
  EXPECT_THAT(complaint("mixed_encoder", x, {}, folder_ / "none"), HasSubstr("no such file"));
  const NamedTensors image = {{"x", torch::zeros({1, 2, 3})}, {"size", torch::tensor({2.5f})}};
  EXPECT_THAT(complaint("bilinear", image), HasSubstr("whole number"));
  const NamedTensors wide = {
      {"z", torch::zeros({1, 100, 8})}, {"mu", torch::zeros({1, 100, 8})}, {"frames", frames(9)}};
  EXPECT_THAT(complaint("sampler", wide), AllOf(HasSubstr("frames says 9"), HasSubstr("8 wide")));
  const NamedTensors nothing = {{"x", torch::zeros({1, 2, 0})}, {"size", torch::tensor({2, 3})}};
  EXPECT_THAT(complaint("bilinear", nothing), HasSubstr("[1, 2, 0]"));
}

TEST_F(ProbeParity, NumbersThatAreNoneAreNotWritten) {
  const NamedTensors inputs = {{"audio", torch::full({1, 4096}, 3e38f)}};  // its power is beyond float
  EXPECT_THROW(run("mel", inputs), Error);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

}  // namespace
}  // namespace fastsag::model
