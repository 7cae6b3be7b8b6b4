// nn/snake.h and nn/bigvgan.h against the published vocoder, both versions, at full size.
#include <gtest/gtest.h>

#include "model/formula.h"
#include "model/nn/bigvgan.h"
#include "model/nn/bigvgan_cuda.h"
#include "model/nn/bigvgan_fast.h"
#include "tests/parity/sliced.h"

namespace fastsag::test {
namespace {

using model::BigVganVersion;

TEST(SnakeParity, EveryStepOfTheActivation) {
  FASTSAG_NEEDS(Golden::path("amp_activation"));
  const torch::NoGradGuard no_grad;
  const Golden golden("amp_activation");
  const auto expect = [&](const std::string& name, const torch::Tensor& ours) {
    expect_golden(golden, "amp_activation", name, ours);
  };
  model::SnakeActivation activation(4);
  activation->alpha.copy_(tensor_of(golden, "alpha"));
  activation->beta.copy_(tensor_of(golden, "beta"));
  for (const auto& [name, ours] :
       {std::pair("filter_up", activation->up_filter), {"filter_down", activation->down_filter}})
    EXPECT_LT((ours - tensor_of(golden, name)).abs().max().item<float>(), 3e-8) << name;  // half a step of float at .5
  for (const std::string n : {"1", "5", "32", "37"}) {
    const torch::Tensor x = tensor_of(golden, "x" + n);
    const torch::Tensor up = model::snake_doubled(x, activation->up_filter);
    expect("up" + n, up);
    expect("act" + n, model::snake(up, activation->alpha, activation->beta));
    expect("y" + n, activation(x));
    const torch::Tensor image = x.unsqueeze(2).contiguous(at::MemoryFormat::ChannelsLast);
    expect("y" + n, model::FastSnake(activation)(image).squeeze(2));
    expect("y" + n, model::snake_run(image, model::device_snake(activation), {}).squeeze(2));
  }
  expect("snake32", model::snake(tensor_of(golden, "x32"), activation->alpha, activation->alpha));
}

class BigVganParity : public testing::TestWithParam<BigVganVersion> {
 protected:
  static std::string file() {
    return GetParam() == BigVganVersion::v1 ? "bigvgan_24khz_100band" : "bigvgan_v2_24khz_100band_256x";
  }
  void SetUp() override { FASTSAG_NEEDS(Golden::path(file())); }
};

TEST_P(BigVganParity, EveryPart) {
  const torch::NoGradGuard no_grad;
  const Golden golden(file());
  model::BigVgan vocoder(GetParam());
  model::fill_by_formula(*vocoder, model::FormulaModel::bigvgan);
  const torch::Tensor mel = tensor_of(golden, "mel");
  for (const std::string way : {"as constructed", "as prepared", "as on a GPU"}) {
    int parts = 0;
    if (way == "as prepared") vocoder->prepare();
    if (way == "as on a GPU") vocoder->prepare(torch::kFloat, model::NetWay::gpu);  // the kernels' references
    vocoder->tap = [&](const std::string& name, const torch::Tensor& value) {
      if (golden.tensors().contains(name)) expect_golden(golden, file(), name, value), ++parts;
    };
    expect_golden(golden, file(), "wav", vocoder(mel));
    EXPECT_EQ(parts, 13) << way;  // all but one, within a block
  }
}

INSTANTIATE_TEST_SUITE_P(Versions, BigVganParity, testing::Values(BigVganVersion::v1, BigVganVersion::v2),
                         [](const auto& version) { return version.param == BigVganVersion::v1 ? "v1" : "v2"; });

}  // namespace
}  // namespace fastsag::test
