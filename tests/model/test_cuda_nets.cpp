// The paper's large nets as a GPU is given them, on the CPU through their kernels' references, where the golden cases
// do not go: small widths, several rooms with masks of their own, bfloat16, the whole walk, and that it can be
// recorded.
#include <gtest/gtest.h>

#include <cmath>

#include "model/device_graph.h"
#include "model/formula.h"
#include "model/nn/bigvgan_cuda.h"
#include "model/nn/unet_walk.h"
#include "model/paper/networks.h"
#include "tests/support/host_stream.h"
#include "tests/support/scratch.h"
#include "tests/support/small_paper.h"

namespace fastsag::model {
namespace {
namespace cuda_nets {

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
UNetInput unet_input(int64_t width, const std::vector<int64_t>& frames) {
  const auto batch = static_cast<int64_t>(frames.size());
  const torch::Tensor mask = torch::arange(width).view({1, 1, -1}) < torch::tensor(frames).view({-1, 1, 1});
  return {formula_normal("x", {batch, 100, width}), mask.to(torch::kFloat), formula_uniform("mu", {batch, 100, width}),
          torch::linspace(-1, 1, batch)};
}

TEST(UNetCuda, SameNumbersWhateverTheMasks) {
  const torch::NoGradGuard no_grad;
  UNet unet = small_unet(), exact = small_unet();
  exact->to(torch::kDouble);
  UNetInput holes = unet_input(64, {50});
  holes.mask.narrow(2, 20, 7).zero_();
  for (const auto& in : {unet_input(64, {64, 64}), unet_input(64, {37, 22, 5}), unet_input(32, {0}), holes}) {
    const auto wide = [](const torch::Tensor& x) { return x.to(torch::kDouble); };
    const torch::Tensor truth = exact(wide(in.x), wide(in.mask), wide(in.mu), wide(in.c_noise));
    unet->unprepare();
    const double plain = difference(truth, unet(in.x, in.mask, in.mu, in.c_noise));
    unet->prepare(torch::kFloat, NetWay::gpu);
    EXPECT_LT(difference(truth, unet(in.x, in.mask, in.mu, in.c_noise)), 2 * plain + 2e-6) << in.mask.sum({1, 2});
  }
}

TEST(UNetCuda, BfloatKeepsThirtyDecibels) {
  const torch::NoGradGuard no_grad;
  UNet unet = small_unet();
  const UNetInput in = unet_input(128, {120});
  const torch::Tensor plain = unet(in.x, in.mask, in.mu, in.c_noise);
  unet->prepare(torch::kBFloat16, NetWay::gpu);
  EXPECT_GT(snr_db(plain, unet(in.x, in.mask, in.mu, in.c_noise)), 30);
}

TEST(UNetCuda, WidthsWithoutKernelsGoThePlainWay) {
  const torch::NoGradGuard no_grad;
  UNet unet(24);
  const UNetInput in = unet_input(16, {12});
  const torch::Tensor plain = unet(in.x, in.mask, in.mu, in.c_noise);
  unet->prepare(torch::kFloat, NetWay::gpu);
  EXPECT_EQ(unet->cuda(), nullptr);
  EXPECT_TRUE(torch::equal(unet(in.x, in.mask, in.mu, in.c_noise), plain));
}

struct WalkInput {
  static constexpr int64_t kRooms = 2, kBands = 100, kWidth = 48, kFrames = 37;
  torch::Tensor noise = formula_normal("z", {kRooms, kBands, kWidth});
  torch::Tensor mu = formula_uniform("mu", {kRooms, kBands, kWidth});
  torch::Tensor known, known_frames;

  void know() {
    known = formula_uniform("known", noise.sizes());
    known_frames = torch::zeros({kRooms, 1, kWidth});
    known_frames[1].narrow(1, 0, 11).fill_(1);  // the first room has no past
  }
  // The sampler of edm.h, on the plain U-Net.
  torch::Tensor plain(UNet& unet, const EdmOptions& options) const {
    const auto impose = [&](torch::Tensor& x, double sigma) {
      if (known.defined()) x = torch::where(known_frames > 0, known + sigma * noise, x);
    };
    const auto network = [&](const auto& x, const auto& mask, const auto& m, const auto& c) {
      return unet(x, mask, m, c);
    };
    const torch::Tensor mask = (torch::arange(kWidth) < kFrames).to(torch::kFloat).view({1, 1, -1});
    torch::Tensor mel = edm_sample(options, network, noise, mask, mu, impose);
    impose(mel, 0);
    return mel;
  }
  UNetWalk::Inputs walk() const { return {noise, mu, known, known_frames, kFrames}; }
};

TEST(UNetWalk, IsTheSamplers) {
  const torch::NoGradGuard no_grad;
  UNet plain = small_unet(), unet = small_unet();
  unet->prepare(torch::kFloat, NetWay::gpu);
  UNetWalk walk(unet);
  for (const int steps : {1, 4, 9}) {
    WalkInput in;
    EdmOptions options;
    options.steps = steps;
    for (const bool known : {false, true}) {
      if (known) in.know();
      const torch::Tensor truth = in.plain(plain, options), made = walk(options, in.walk());
      EXPECT_LT(difference(truth, made), 1e-4) << steps << known;
      EXPECT_GT(truth.abs().mean().item<double>(), .1);
      if (known) {
        EXPECT_LT(difference(made[1].narrow(1, 0, 11), in.known[1].narrow(1, 0, 11)), 1e-7);
      }
    }
  }
}

// Numbers that stand in the recording must be those of its tensors, not of the run that recorded it; another length of
// walk in between takes nothing from it.
TEST(UNetWalk, CanBeReplayed) {
  const torch::NoGradGuard no_grad;
  UNet plain = small_unet(), unet = small_unet();
  unet->prepare(torch::kFloat, NetWay::gpu);
  UNetWalk walk(unet);
  WalkInput in;
  in.know();
  EdmOptions options, shorter;
  options.steps = 3, shorter.steps = 1;
  torch::Tensor made;
  test::HostStream stream;
  DeviceGraph graph(stream, [&] { made = walk(options, in.walk()); });
  ASSERT_TRUE(graph.recorded()) << graph.why_eager();
  walk(shorter, in.walk());
  in.noise.copy_(formula_normal("z2", in.noise.sizes()));
  in.known_frames.zero_();
  graph.run();
  EXPECT_LT(difference(in.plain(plain, options), made), 1e-4);
}

TEST(UNetWalk, IsTheGpusWayOfThePaperNetworks) {
  const torch::InferenceMode no_gradients;
  const test::Scratch folder;
  test::write_small_paper(folder.path());
  const Preset preset = load_preset_file(folder / "small.toml");
  PaperNetworks usual(preset, torch::kCPU), gpu(preset, torch::kCPU, false, NetWay::gpu);
  usual.set_steps(2), gpu.set_steps(2);
  const PaperSizes& sizes = preset.sizes;
  PaperInputs in;
  in.noise = formula_normal("z", {2, sizes.width, sizes.bands});
  in.known = formula_uniform("known", {2, sizes.bands, sizes.width});
  in.known_frames = torch::zeros({2, 1, sizes.width});
  in.known_frames[0].narrow(1, 0, 300).fill_(1);
  PaperMade one, other;
  one.mu = other.mu = formula_uniform("mu", {2, sizes.bands, sizes.width});
  launch_count() = {};
  usual.sample(in, one);
  EXPECT_EQ(launch_count().launches, 0) << "the CPU keeps its own way";
  gpu.sample(in, other);
  EXPECT_GT(launch_count().launches, 100);
  EXPECT_LT(difference(one.mel, other.mel), 2e-4);
  EXPECT_GT(one.mel.abs().mean().item<double>(), .1);
}

BigVgan small_vocoder() {
  BigVganSizes sizes;
  sizes.channels = 384;
  BigVgan vocoder(BigVganVersion::v1, sizes);
  fill_by_formula(*vocoder, FormulaModel::bigvgan);
  return vocoder;
}

TEST(BigVganCuda, SameSoundAtAnyLength) {
  const torch::NoGradGuard no_grad;
  BigVgan vocoder = small_vocoder();
  for (const auto& [rooms, frames] : {std::pair<int64_t, int64_t>{1, 1}, {3, 3}, {1, 20}}) {
    const torch::Tensor mel = formula_uniform("mel", {rooms, 100, frames}, 4) - 5;
    vocoder->unprepare();
    const torch::Tensor plain = vocoder(mel);
    vocoder->prepare(torch::kFloat, NetWay::gpu);
    EXPECT_LT(difference(plain, vocoder(mel)), 1e-4) << mel.sizes();
    vocoder->prepare(torch::kBFloat16, NetWay::gpu);
    EXPECT_GT(snr_db(plain, vocoder(mel)), 25) << mel.sizes();
  }
}

}  // namespace cuda_nets
}  // namespace
}  // namespace fastsag::model
