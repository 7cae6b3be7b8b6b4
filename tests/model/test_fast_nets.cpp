// The prepared ways of the paper's large nets where the golden cases do not go: small widths, several windows with
// masks of their own, other lengths, bfloat16, a part of a signal.
#include <gtest/gtest.h>

#include <cmath>

#include "model/formula.h"
#include "model/nn/bigvgan.h"
#include "model/nn/kernels.h"
#include "model/nn/unet.h"

namespace fastsag::model {
namespace {

double difference(const torch::Tensor& a, const torch::Tensor& b) { return (a - b).abs().max().item<double>(); }

double snr_db(const torch::Tensor& truth, const torch::Tensor& made) {
  return 10 * std::log10((truth.square().sum() / (made - truth).square().sum()).item<double>());
}

UNet small_unet() {
  UNet unet(16);
  fill_by_formula(*unet, FormulaModel::fastsag, "decoder.estimator.");
  return unet;
}

struct UNetInput {
  torch::Tensor x, mask, mu, c_noise;
};
UNetInput unet_input(int64_t width, std::vector<int64_t> frames) {
  const auto batch = static_cast<int64_t>(frames.size());
  const torch::Tensor mask = torch::arange(width).view({1, 1, -1}) < torch::tensor(frames).view({-1, 1, 1});
  return {formula_normal("x", {batch, 100, width}), mask.to(torch::kFloat), formula_uniform("mu", {batch, 100, width}),
          torch::linspace(-1, 1, batch)};
}

TEST(UNetFast, SameNumbersWhateverTheMasks) {
  const torch::NoGradGuard no_grad;
  UNet unet = small_unet(), exact = small_unet();
  exact->to(torch::kDouble);
  // Full, ending at a column that only the finest level has, one frame, none at all.
  for (const auto& in : {unet_input(64, {64, 64}), unet_input(64, {37, 22}), unet_input(128, {1, 101}),
                         unet_input(32, {0}), unet_input(8, {3})}) {
    const auto wide = [](const torch::Tensor& x) { return x.to(torch::kDouble); };
    const torch::Tensor truth = exact(wide(in.x), wide(in.mask), wide(in.mu), wide(in.c_noise));
    // Few frames leave the norms little variance, which magnifies what is rounded: no way of adding in fp32 is exact.
    unet->unprepare();
    const double plain = difference(truth, unet(in.x, in.mask, in.mu, in.c_noise));
    unet->prepare();
    EXPECT_LT(difference(truth, unet(in.x, in.mask, in.mu, in.c_noise)), 2 * plain + 2e-6) << in.mask.sum({1, 2});
  }
}

TEST(UNetFast, HolesInTheMask) {
  const torch::NoGradGuard no_grad;
  UNet unet = small_unet();
  UNetInput in = unet_input(64, {50});
  in.mask.narrow(2, 20, 7).zero_();
  const torch::Tensor plain = unet(in.x, in.mask, in.mu, in.c_noise);
  unet->prepare();
  EXPECT_LT(difference(plain, unet(in.x, in.mask, in.mu, in.c_noise)), 3e-5);
}

TEST(UNetFast, GradientsGoThePlainWay) {
  UNet unet = small_unet();
  unet->prepare();
  const UNetInput in = unet_input(32, {30});
  unet(in.x, in.mask, in.mu, in.c_noise).square().mean().backward();
  for (const auto& parameter : unet->named_parameters())
    EXPECT_GT(parameter->grad().abs().sum().item<double>(), 0) << parameter.key();
}

TEST(UNetFast, BfloatKeepsThirtyDecibels) {
  if (!has_bf16()) GTEST_SKIP() << "this processor has no bfloat16";
  const torch::NoGradGuard no_grad;
  UNet unet = small_unet();
  const UNetInput in = unet_input(128, {120});
  const torch::Tensor plain = unet(in.x, in.mask, in.mu, in.c_noise);
  unet->prepare(torch::kBFloat16);
  EXPECT_GT(snr_db(plain, unet(in.x, in.mask, in.mu, in.c_noise)), 30);  // 8 bits are 54 dB an operation
}

BigVgan small_vocoder() {
  BigVganSizes sizes;
  sizes.channels = 384;  // ends with 6 channels: vectors go across samples
  BigVgan vocoder(BigVganVersion::v1, sizes);
  fill_by_formula(*vocoder, FormulaModel::bigvgan);
  return vocoder;
}
torch::Tensor log_mel(int64_t batch, int64_t frames) { return formula_uniform("mel", {batch, 100, frames}, 4) - 5; }

TEST(BigVganFast, SameSoundAtAnyLength) {
  const torch::NoGradGuard no_grad;
  BigVgan vocoder = small_vocoder();
  for (const auto& mel : {log_mel(1, 1), log_mel(2, 3), log_mel(1, 20)}) {
    vocoder->unprepare();
    const torch::Tensor plain = vocoder(mel);
    vocoder->prepare();
    EXPECT_EQ(plain.size(2), mel.size(2) * vocoder->hop());
    EXPECT_LT(difference(plain, vocoder(mel)), 1e-4) << mel.sizes();
  }
}

// A slice needs `reach` frames of mel on either side and not one less: a change just within it is heard, one just
// outside is not.
TEST(BigVganFast, APartEqualsThatPartOfTheWhole) {
  const torch::NoGradGuard no_grad;
  BigVgan vocoder = small_vocoder();
  vocoder->prepare();
  const int64_t reach = vocoder->reach(), hop = vocoder->hop(), frames = 2 * reach + 20;
  EXPECT_LE(reach, 45);  // 37 by the published sizes' arithmetic, and a few for rounding up at each stage
  const torch::Tensor mel = log_mel(1, frames), whole = vocoder(mel);
  for (const auto& [first, count] : {std::pair<int64_t, int64_t>{reach + 5, 4}, {0, 3}, {frames - 2, 2}}) {
    const torch::Tensor part = vocoder->render(mel, first, count);
    EXPECT_LT(difference(part, whole.narrow(2, first * hop, count * hop)), 1e-4) << first;
  }
  torch::Tensor other = mel.clone();
  other.narrow(2, 0, 5).add_(2);
  const torch::Tensor change = (vocoder(other) - whole).abs();
  EXPECT_LT(change.slice(2, (5 + reach) * hop).max().item<double>(), 1e-6);
  EXPECT_GT(change.slice(2, (5 + reach / 2) * hop).max().item<double>(), 0);
}

TEST(BigVganFast, BfloatKeepsTwentyFiveDecibels) {
  if (!has_bf16()) GTEST_SKIP() << "this processor has no bfloat16";
  const torch::NoGradGuard no_grad;
  BigVgan vocoder = small_vocoder();
  const torch::Tensor mel = log_mel(1, 20), plain = vocoder(mel);
  vocoder->prepare(torch::kBFloat16);
  EXPECT_GT(snr_db(plain, vocoder(mel)), 25);
}

}  // namespace
}  // namespace fastsag::model
