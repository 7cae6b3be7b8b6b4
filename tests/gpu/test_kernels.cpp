// Every kernel of model/cuda on the device against its reference on the host, and the nets made of them.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "model/formula.h"
#include "model/nn/bigvgan_cuda.h"
#include "model/nn/unet_walk.h"

namespace fastsag::model {
namespace {

using Sizes = std::vector<int64_t>;

class KernelsOnGpu : public testing::TestWithParam<torch::ScalarType> {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device here";
    at::globalContext().setAllowTF32CuBLAS(false);
    at::globalContext().setAllowTF32CuDNN(false);
    at::globalContext().setDeterministicCuDNN(true);
  }
  void TearDown() override { at::globalContext().setDeterministicCuDNN(false); }

  static torch::Tensor image(const std::string& name, const Sizes& shape) {
    return formula_normal(name, shape).to(GetParam()).contiguous(at::MemoryFormat::ChannelsLast);
  }
  static torch::Tensor vector_of(const std::string& name, int64_t size) { return formula_uniform(name, {size}); }
  static torch::Tensor mask_of(int64_t rooms, int64_t width) {
    const torch::Tensor frames = width - torch::arange(rooms).view({-1, 1}) - 2;
    return (torch::arange(width) < frames).to(torch::kFloat);
  }
  // A step of the storage's rounding, and the fast functions of the device.
  static void expect_same(const torch::Tensor& host, const torch::Tensor& device, double noise = 1e-4) {
    const double rounding = host.scalar_type() == torch::kFloat ? 1e-6 : 0x1p-7;
    const torch::Tensor truth = host.to(torch::kDouble), made = device.cpu().to(torch::kDouble);
    ASSERT_EQ(truth.sizes(), made.sizes());
    EXPECT_LT(((made - truth).abs() / (truth.abs() * rounding + noise)).max().item<double>(), 1) << host.sizes();
    EXPECT_GT(truth.abs().mean().item<double>(), .01) << "something is made";
  }
  // body(to), where to(x) brings a tensor to the device, which answers with what was made there.
  using To = std::function<torch::Tensor(const torch::Tensor&)>;
  static void compare(const std::function<torch::Tensor(const To&)>& body, double noise = 1e-4) {
    const torch::Tensor host = body([](const auto& x) { return x; });
    const To to = [](const auto& x) { return x.defined() ? x.to(torch::kCUDA) : x; };
    const torch::Tensor first = body(to), again = body(to);
    expect_same(host, first, noise);
    EXPECT_TRUE(torch::equal(first, again)) << "the same bits at every run";
  }

  const torch::NoGradGuard no_gradients_;
};

// Rows, channels and rooms that blocks of threads do not divide, and those of the paper's U-Net.
TEST_P(KernelsOnGpu, NormMish) {
  for (const Sizes& shape : {Sizes{1, 64, 100, 940}, {3, 16, 5, 13}, {2, 8, 1, 6}, {4, 256, 25, 235}, {1, 512, 3, 7}}) {
    const int64_t rooms = shape[0], channels = shape[1];
    compare([&](const To& to) {
      const DeviceNorm norm{to(vector_of("bias", channels)), to(vector_of("gain", channels) + 1),
                            to(vector_of("move", channels))};
      const DeviceFrames frames{to(mask_of(rooms, shape[3])), to(torch::zeros({rooms}, torch::kInt)), 84 * shape[2]};
      torch::Tensor x = to(image("x", shape));
      for (int time = 0; time < 2; ++time)  // what a call leaves behind must serve the next
        norm_mish(x, norm, frames,
                  {.extra = to(formula_uniform("extra", {rooms, channels})),
                   .residual = to(image("residual", shape)),
                   .residual_bias = to(vector_of("more", channels)),
                   .mask_residual = time == 0});
      EXPECT_EQ(frames.arrived.abs().sum().item<int64_t>(), 0);
      return x;
    });
  }
}

TEST_P(KernelsOnGpu, Pixels) {
  for (const Sizes& shape : {Sizes{1, 64, 100, 940}, {3, 12, 3, 11}, {32, 7, 1, 5}, {1, 1, 1, 70000}})
    compare([&](const To& to) {
      torch::Tensor x = to(image("x", shape));
      pixels(x,
             {.other = to(image("other", shape)),
              .bias = to(vector_of("bias", shape[1])),
              .mask = to(mask_of(shape[0] == 3 ? 3 : 1, shape[3])),
              .scale = .5f},
             x);
      return x;
    });
}

TEST_P(KernelsOnGpu, Project) {
  for (const Sizes& shape : {Sizes{1, 64, 100, 940}, {3, 9, 3, 11}})
    compare([&](const To& to) {
      return project(to(image("x", shape)), to(vector_of("weight", shape[1])), to(vector_of("bias", 1)),
                     {to(mask_of(shape[0], shape[3])), {}, 0});
    });
}

TEST_P(KernelsOnGpu, SnakeRun) {
  for (const Sizes& shape : {Sizes{1, 24, 1, 30000}, {3, 7, 1, 33}, {2, 768, 1, 100}, {1, 2, 1, 1}, {5, 1, 1, 31}})
    compare([&](const To& to) {
      SnakeActivation activation(shape[1]);
      fill_by_formula(*activation, FormulaModel::bigvgan);
      const DeviceSnake snake = device_snake(activation);
      return snake_run(to(image("x", shape)), {to(snake.alpha), to(snake.gain), to(snake.up), to(snake.down)},
                       to(vector_of("bias", shape[1])));
    });
}

TEST_P(KernelsOnGpu, Attention) {
  for (const Sizes& shape : {Sizes{1, 64, 100, 940}, {4, 256, 25, 235}, {3, 16, 5, 13}, {1, 8, 1, 3}})
    compare(
        [&](const To& to) {
          UNetAttention attention(shape[1]);
          fill_by_formula(*attention, FormulaModel::fastsag, "decoder.estimator.mid_attn.");
          attention->to(to(torch::zeros(1)).device());
          torch::Tensor x = to(image("x", shape));
          attend(x, device_attention(attention, GetParam()), 21 * shape[2], to(mask_of(shape[0], shape[3])));
          return x;
        },
        GetParam() == torch::kFloat ? 1e-4 : .03);  // shares and matrices are rounded on the way
}

TEST_P(KernelsOnGpu, EdmStep) {
  constexpr int64_t kRooms = 3, kBands = 100, kWidth = 256, kColumns = 236;
  for (const bool known : {false, true})
    for (const bool of_image : {false, true})
      compare([&](const To& to) {
        EdmOptions options;
        options.steps = 2;
        const torch::Tensor noise = to(formula_normal("z", {kRooms, kBands, kWidth}));
        const torch::Tensor frames = to((torch::arange(kWidth) < 40).to(torch::kFloat).repeat({kRooms, 1, 1}));
        const EdmBuffers buffers{to(edm_table(options)),
                                 torch::empty_like(noise),
                                 to(formula_uniform("mu", noise.sizes())),
                                 noise,
                                 known ? to(formula_uniform("known", noise.sizes())) : torch::Tensor(),
                                 known ? frames : torch::Tensor()};
        torch::Tensor none, pair = torch::zeros({kRooms, 2, kBands, kColumns}, noise.options().dtype(GetParam()))
                                       .contiguous(at::MemoryFormat::ChannelsLast);
        const DeviceFrames own{to(mask_of(1, kColumns)), {}, 0};
        edm_step(buffers, 0, none, own, pair);
        edm_step(buffers, 1, to(formula_normal("raw", {kRooms, kBands, kColumns})), own, pair);
        return of_image ? pair : buffers.x.clone();
      });
}

TEST_P(KernelsOnGpu, UNetAndWalk) {
  for (const int64_t dim : {16, 64}) {
    constexpr int64_t kRooms = 2, kWidth = 128, kFrames = 101;
    compare(
        [&](const To& to) {
          UNet unet(dim);
          fill_by_formula(*unet, FormulaModel::fastsag, "decoder.estimator.");
          const torch::Tensor noise = to(formula_normal("z", {kRooms, 100, kWidth}));
          unet->to(noise.device());
          unet->prepare(GetParam(), NetWay::gpu);
          EdmOptions options;
          options.steps = 2;
          UNetWalk walk(unet);
          return walk(options, {noise, to(formula_uniform("mu", noise.sizes())), {}, {}, kFrames});
        },
        GetParam() == torch::kFloat ? 2e-3 : .3);
  }
}

TEST_P(KernelsOnGpu, BigVgan) {
  compare(
      [&](const To& to) {
        BigVganSizes sizes;
        sizes.channels = 384;
        model::BigVgan vocoder(BigVganVersion::v1, sizes);
        fill_by_formula(*vocoder, FormulaModel::bigvgan);
        const torch::Tensor mel = to(formula_uniform("mel", {2, 100, 20}, 4) - 5);
        vocoder->to(mel.device());
        vocoder->prepare(GetParam(), NetWay::gpu);
        return vocoder(mel);
      },
      GetParam() == torch::kFloat ? 1e-3 : .1);
}

INSTANTIATE_TEST_SUITE_P(Types, KernelsOnGpu, testing::Values(torch::kFloat, torch::kBFloat16),
                         [](const auto& type) { return type.param == torch::kFloat ? "float" : "bfloat16"; });

}  // namespace
}  // namespace fastsag::model
