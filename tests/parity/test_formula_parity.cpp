// model/formula.h against the test vectors that came with the golden tensors: bit for bit, a formula has no tolerance.
#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <nlohmann/json.hpp>

#include "dsp/error.h"
#include "model/formula.h"
#include "model/hashed_normal.h"
#include "tests/support/golden.h"
#include "tests/support/shared.h"

namespace fastsag::model {
namespace {

class FormulaParity : public testing::Test {
 protected:
  void SetUp() override {
    const auto file = test::shared("parity") / "formula_vectors.json";
    FASTSAG_NEEDS(file);
    vectors_ = nlohmann::json::parse(std::ifstream(file));
  }
  nlohmann::json vectors_;
};

uint64_t from_hex(const std::string& text) { return std::stoull(text, nullptr, 16); }

TEST_F(FormulaParity, Hashes) {
  for (const auto& [text, hash] : vectors_["fnv1a64"].items()) EXPECT_EQ(fnv1a64(text), from_hex(hash)) << text;
  for (const auto& row : vectors_["splitmix64"]) {
    const uint64_t index = row["index"];
    EXPECT_EQ(splitmix64(fnv1a64(std::string(row["name"])) + index), from_hex(row["h"])) << row;
  }
}

TEST_F(FormulaParity, Parameters) {
  const std::map<std::string, FormulaModel> models = {
      {"fastsag", FormulaModel::fastsag}, {"bigvgan", FormulaModel::bigvgan}, {"mert", FormulaModel::mert}};
  for (const auto& row : vectors_["parameters"]) {
    const std::vector<int64_t> shape = row["shape"];
    const float value = formula_parameter(row["key"], shape, models.at(row["model"]))
                            .view({-1})[row["index"].get<int64_t>()]
                            .item<float>();
    EXPECT_EQ(std::bit_cast<uint32_t>(value), from_hex(row["float32_bits"])) << row;
  }
}

TEST_F(FormulaParity, Inputs) {
  const auto at = [](const torch::Tensor& input, const nlohmann::json& row) {
    return input.view({-1})[row["index"].get<int64_t>()].item<float>();
  };
  for (const auto& row : vectors_["uniform_inputs"])
    EXPECT_EQ(at(formula_uniform(row["case"], {1, 100, 1024}), row), row["value"].get<float>()) << row;
  for (const auto& row : vectors_["normal_inputs"])
    EXPECT_EQ(at(formula_normal(row["case"], {1, 100, 1024}), row), row["value"].get<float>()) << row;
}

TEST(Formula, APrefixIsHashedAndNothingElse) {
  const torch::Tensor held =
      formula_parameter("decoder.estimator.mlp.0.weight", {256, 64}, FormulaModel::fastsag, "heldout:");
  const uint64_t hash = splitmix64(0xad3ecbd94eb2f84f + 7);  // of formula_vectors.json
  const double r = static_cast<double>(hash >> 11) * 0x1p-52 - 1;
  EXPECT_EQ(held.view({-1})[7].item<float>(), static_cast<float>(std::sqrt(3.0 / 64) * r));  // weight_c3, fan_in 64
}

// A folded weight has the norm that its g says, along the published dimension.
TEST(Formula, WeightNormIsFolded) {
  struct Net : torch::nn::Module {
    Net() { register_module("conv_pre", torch::nn::Conv1d(torch::nn::Conv1dOptions(100, 8, 7))); }
  } net;
  fill_by_formula(net, FormulaModel::bigvgan);
  const torch::Tensor norms = net.named_parameters()["conv_pre.weight"].square().sum({1, 2}).sqrt();
  const torch::Tensor g = formula_parameter("conv_pre.weight_g", {8, 1, 1}, FormulaModel::bigvgan).view({8});
  EXPECT_LT((norms - g).abs().max().item<float>(), 1e-7);  // .25, in float32
}

TEST(Formula, NamesThatNoRuleKnowsAreRefused) {
  EXPECT_THROW(formula_parameter("latent", {4}, FormulaModel::fastsag), Error);
}

}  // namespace
}  // namespace fastsag::model
