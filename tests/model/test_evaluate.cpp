#include <gmock/gmock.h>
#include <torch/script.h>
#include <torch/torch.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "dsp/error.h"
#include "model/checkpoint.h"
#include "model/eval/embedder.h"
#include "model/eval/frechet.h"
#include "model/evaluate.h"
#include "model/formula.h"
#include "model/paper/published.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using test::error_of;

using ::testing::HasSubstr;

torch::Tensor features(int64_t dims, int64_t frames, int number) {
  const std::string name = "frechet." + std::to_string(dims) + "." + std::to_string(number);
  return formula_normal(name, {frames, dims})
             .to(torch::kFloat64)
             .matmul(formula_uniform(name + ".mix", {dims, dims}).to(torch::kFloat64)) +
         number / 10.0;
}

double distance(const Gaussian& a, const Gaussian& b) { return FrechetReference(a).distance(b); }

Gaussian of(const torch::Tensor& frames) {
  Gaussian gaussian;
  gaussian.add(frames);
  return gaussian;
}

TEST(Frechet, EqualsSciPyToAMillionth) {
  std::ifstream in(std::string(FASTSAG_SOURCE) + "/tests/model/frechet_scipy.json");
  const auto cases = nlohmann::json::parse(in);
  ASSERT_EQ(cases.size(), 4);
  for (const auto& golden : cases) {
    const int64_t dims = golden["dims"], frames = golden["frames"];
    const double expected = golden["distance"];
    EXPECT_NEAR(distance(of(features(dims, frames, 1)), of(features(dims, frames, 2))) / expected, 1, 1e-6) << dims;
  }
}

TEST(Frechet, DependsNeitherOnTheOrderNorOnHowTheFramesAreCut) {
  const torch::Tensor x = features(16, 500, 1) + 1000, y = features(16, 500, 2) + 1000;  // far from 0: cancellation
  Gaussian parts;
  for (const auto& part : x.split(77)) parts.add(part);
  const double whole = distance(of(x), of(y));
  EXPECT_NEAR(distance(parts, of(y)) / whole, 1, 1e-9);
  EXPECT_NEAR(distance(of(y), of(x)) / whole, 1, 1e-9);
  EXPECT_EQ(parts.frames(), 500);
  EXPECT_NEAR(distance(of(x).compact(), of(y)) / whole, 1, 1e-4);  // float32: good enough for an interval
}

TEST(Frechet, KnownCasesComeOutAsByHandWhateverTheRank) {
  const torch::Tensor x = features(32, 20, 1);  // 20 frames span 19 of 32 dimensions
  const double variance = of(x).covariance().trace().item<double>();
  EXPECT_NEAR(distance(of(x), of(x)), 0, 1e-6 * variance);
  EXPECT_NEAR(distance(of(x), of(x + 0.5)), 32 * 0.25, 1e-6 * variance);  // moved: the distance of the means, squared
  const torch::Tensor centred = x - x.mean(0);
  EXPECT_NEAR(distance(of(centred), of(3 * centred)), 4 * variance, 1e-6 * variance);  // (3 - 1)^2 tr C
}

TEST(Frechet, SetsThatCannotBeComparedAreSaidToBe) {
  EXPECT_THROW(distance(of(torch::zeros({1, 4})), of(torch::zeros({5, 4}))), Error);
  EXPECT_THROW(distance(of(torch::rand({9, 4})), of(torch::rand({9, 5}))), Error);
  Gaussian mixed = of(torch::rand({9, 4}));
  EXPECT_THROW(mixed.add(torch::rand({9, 5})), Error);
}

// An embedder whose features are six samples of every 300.
std::filesystem::path save_embedder(const std::filesystem::path& file, const std::string& body,
                                    std::optional<int64_t> rate = 24000) {
  torch::jit::Module module("embedder");
  if (rate) module.register_attribute("sample_rate", c10::IntType::get(), *rate);
  module.define("def forward(self, x):\n  " + body + "\n");
  module.save(file.string());
  return file;
}
constexpr const char* kSixOf300 = "return x[:, :x.size(1) // 300 * 300].reshape([-1, 300])[:, :6]";

std::vector<float> noise(const std::string& name, double seconds, double level) {
  const torch::Tensor x =
      (level * formula_normal(name, {static_cast<int64_t>(seconds * 24000)})).to(torch::kFloat32).contiguous();
  return {x.data_ptr<float>(), x.data_ptr<float>() + x.numel()};
}

class EvaluatorTest : public ::testing::Test {
 protected:
  EvaluationReport evaluate(int clips, double level, bool vocals, bool elsewhere) {
    options.embedder = save_embedder(folder / "six.pt", kSixOf300);
    const auto evaluator = make_evaluator(options, clips);
    for (int i = 0; i < clips; ++i) {
      const std::string name = "clip" + std::to_string(i);
      const auto voice = noise(name + "v", 12, 0.1), truth = noise(name, 12, 0.1), other = noise(name + "r", 12, 0.3);
      std::vector<float> ours = truth;
      for (float& x : ours) x = static_cast<float>(x * level);
      evaluator->add({name, vocals ? std::span(voice) : std::span<const float>(), truth, ours, other, elsewhere});
    }
    return evaluator->report();
  }
  test::Scratch folder;
  EvaluationOptions options;
};

TEST_F(EvaluatorTest, DistancesAreThoseOfTheSoundsItWasGiven) {
  const auto report = evaluate(3, 2, true, true);
  ASSERT_EQ(report.rows.size(), 2);
  EXPECT_EQ(report.clips, 3);
  EXPECT_NEAR(report.seconds, 36, 1e-6);
  const EvaluationRow& alone = report.rows[0];
  EXPECT_EQ(alone.sound, "accompaniment");
  EXPECT_EQ(alone.features, "six");
  EXPECT_EQ(alone.frames, 3 * 960);  // 12 s in windows of 10 and 2, a frame every 300 samples
  EXPECT_EQ(alone.dimensions, 6);
  // Six dimensions of variance 0.01, doubled: (2 - 1)^2 tr C = 0.06; the control is three times as loud: 4 tr C.
  EXPECT_NEAR(alone.ours.value, 0.06, 0.003);
  EXPECT_NEAR(alone.random->value, 0.24, 0.02);
  // With a voice of 0.01 under them: variance 0.02 against 0.05, (sqrt .05 - sqrt .02)^2 a dimension.
  EXPECT_EQ(report.rows[1].sound, "mix");
  EXPECT_NEAR(report.rows[1].ours.value, 6 * 0.00675, 0.003);
}

TEST_F(EvaluatorTest, RandomSongsOfTheSetItselfAreAControlInMixesOnly) {
  const auto report = evaluate(3, 1, true, false);
  EXPECT_FALSE(report.rows[0].random);
  EXPECT_TRUE(report.rows[1].random);
  EXPECT_NEAR(report.rows[0].ours.value, 0, 1e-9);  // the truth itself
}

TEST_F(EvaluatorTest, SmallSetsHaveAnIntervalWhichOneSeedRepeats) {
  options.resamples = 20;
  const auto report = evaluate(4, 2, false, false), again = evaluate(4, 2, false, false);
  ASSERT_EQ(report.rows.size(), 1);  // no voices, no mix
  const auto interval = report.rows[0].ours.interval;
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval, again.rows[0].ours.interval);
  EXPECT_LT(interval->first, interval->second);
  EXPECT_NEAR(interval->first, 0.06, 0.006);  // clips of one kind: the interval is narrow
  EXPECT_NEAR(interval->second, 0.06, 0.006);
  options.resamples = 0;
  EXPECT_FALSE(evaluate(4, 2, false, false).rows[0].ours.interval);
  options.resamples = 20;
  const auto large = make_evaluator(options, kSmallSet + 1);
  const auto truth = noise("t", 2, 0.1), ours = noise("o", 2, 0.1);
  for (int i = 0; i < 3; ++i) large->add({"clip", {}, truth, ours, {}, false});
  EXPECT_FALSE(large->report({}).rows[0].ours.interval);
}

TEST_F(EvaluatorTest, WhatCannotBeComparedIsSaid) {
  EXPECT_THAT(error_of([&] { make_evaluator(options, 1); }), HasSubstr("give MERT's weights, or an embedder"));
  const auto add = [&](std::vector<float> truth, const std::vector<float>& ours) {
    const auto evaluator = make_evaluator(options, 1);
    evaluator->add({"song", {}, truth, ours, {}, false});
    evaluator->report({});
  };
  options.embedder = save_embedder(folder / "six.pt", kSixOf300);
  EXPECT_THAT(error_of([&] { add(noise("a", 0.5, 0.1), noise("b", 2, 0.1)); }), HasSubstr("song has 12000 samples"));
  std::vector<float> bad = noise("a", 2, 0.1);
  bad[100] = NAN;
  EXPECT_THAT(error_of([&] { add(bad, noise("b", 2, 0.1)); }), HasSubstr("true accompaniment holds samples"));
  const auto sound = noise("a", 2, 0.1);
  options.embedder = save_embedder(folder / "rate.pt", kSixOf300, std::nullopt);
  EXPECT_THAT(error_of([&] { add(sound, sound); }), HasSubstr("give --embedder-rate"));
  options.embedder_rate = 16000;
  add(sound, sound);
  options.embedder = save_embedder(folder / "three.pt", "return x.reshape([1, 1, -1])");
  EXPECT_THAT(error_of([&] { add(sound, sound); }), HasSubstr("gave a tensor of 3 dimensions"));
  options.embedder = save_embedder(folder / "nan.pt", "return x.reshape([-1, 2]) / 0");
  EXPECT_THAT(error_of([&] { add(sound, sound); }), HasSubstr("no numbers"));
  options.embedder = save_embedder(folder / "fails.pt", "return x[:, :7].reshape([5, 5])");
  EXPECT_THAT(error_of([&] { add(sound, sound); }), HasSubstr("failed on 32000 samples"));
  std::ofstream(folder / "text.pt") << "not a module";
  options.embedder = folder / "text.pt";
  EXPECT_THAT(error_of([&] { add(sound, sound); }), HasSubstr("no TorchScript module"));
}

TEST(Published, MertLoadsItsFirstLayersOutOfAFileThatHoldsMore) {
  const test::Scratch folder;
  Mert two(2);
  const PrefixedModule part{"", two.get()};
  save_modules(folder / "mert.safetensors", std::span(&part, 1), {}, Storage::fp32);
  const Mert one = load_mert(folder / "mert.safetensors", 1);
  EXPECT_TRUE(one->named_parameters()["encoder.layers.0.final_layer_norm.weight"].equal(
      two->named_parameters()["encoder.layers.0.final_layer_norm.weight"]));
  EXPECT_THAT(error_of([&] { load_mert(folder / "mert.safetensors", 3); }), HasSubstr("encoder.layers.2."));
  EXPECT_THAT(error_of([&] { load_mert(folder / "absent", 1); }), HasSubstr("tools/convert_checkpoint FILE --out"));
}

}  // namespace
}  // namespace fastsag::model
