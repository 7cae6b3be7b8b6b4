// The GPU's kernels (model/cuda) through their CPU references, each against plain LibTorch operators in double: float
// and bfloat16, sizes that no block of threads divides, masks, several rooms.
#include <gtest/gtest.h>

#include "model/cuda/portable.h"
#include "model/edm.h"
#include "model/formula.h"
#include "model/nn/bigvgan_cuda.h"
#include "model/nn/device_ops.h"
#include "model/nn/unet_walk.h"

namespace fastsag::model {
namespace {
namespace references {

const torch::ScalarType kTypes[] = {torch::kFloat, torch::kBFloat16};

torch::Tensor dense(const torch::Tensor& x) { return x.contiguous(at::MemoryFormat::ChannelsLast); }
torch::Tensor image(const std::string& name, at::IntArrayRef shape, torch::ScalarType type) {
  return dense(formula_normal(name, shape).to(type));
}
torch::Tensor vector_of(const std::string& name, int64_t size) { return formula_uniform(name, {size}); }
torch::Tensor wide(const torch::Tensor& x) { return x.to(torch::kDouble); }
torch::Tensor per_channel(const torch::Tensor& x) { return wide(x).view({1, -1, 1, 1}); }

// [rooms][width]: each room's window ends elsewhere.
torch::Tensor mask_of(int64_t rooms, int64_t width) {
  const torch::Tensor frames = width - torch::arange(rooms).view({-1, 1}) - 2;
  return (torch::arange(width) < frames).to(torch::kFloat);
}
torch::Tensor along_width(const torch::Tensor& mask) { return wide(mask).view({mask.size(0), 1, 1, -1}); }

// The largest error, as a share of what is allowed: a storage's rounding and `noise`, which sums in float leave.
double error_share(const torch::Tensor& made, const torch::Tensor& truth, double noise) {
  const double rounding = made.scalar_type() == torch::kFloat ? 0x1p-23 : 0x1p-8;
  EXPECT_EQ(made.sizes(), truth.sizes());
  const torch::Tensor share = (wide(made) - truth).abs() / (truth.abs() * rounding + noise);
  return share.max().item<double>();
}

TEST(CudaReference, BfloatIsLibTorchs) {
  std::vector<float> values = {0.f, -0.f, 1e-40f, 1.00390625f, 1.01171875f, 3.3895e38f, -INFINITY};
  for (int i = 0; i < 4000; ++i) values.push_back(std::ldexp(std::sin(static_cast<float>(i)), i % 60 - 30));
  const torch::Tensor theirs = torch::tensor(values).to(torch::kBFloat16);
  const auto* const bits = reinterpret_cast<const uint16_t*>(theirs.data_ptr<at::BFloat16>());
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t ours = 0;
    cuda::narrow(values[i], ours);
    EXPECT_EQ(ours, bits[i]) << values[i];
    EXPECT_EQ(cuda::widened(ours), static_cast<float>(theirs.data_ptr<at::BFloat16>()[i]));
  }
  uint16_t none = 0;
  cuda::narrow(NAN, none);
  EXPECT_TRUE(std::isnan(cuda::widened(none)));
}

TEST(CudaReference, Functions) {
  const torch::Tensor x = torch::linspace(-40, 40, 4001);
  const torch::Tensor mish = torch::mish(wide(x)), sine = torch::sin(wide(x) * M_PI).square();
  for (int64_t i = 0; i < x.numel(); ++i) {
    const float at = x[i].item<float>();
    EXPECT_NEAR(cuda::mish_of(at), mish[i].item<double>(), 4e-7 * std::max(1.f, std::abs(at))) << at;
    EXPECT_NEAR(cuda::sine_squared(at), sine[i].item<double>(), 1e-6) << at;
  }
  EXPECT_TRUE(std::isnan(cuda::mish_of(NAN)));
}

struct NormCase {
  int64_t rooms, channels, height, width;
  int64_t absent = 0;  // columns
  bool extra = true, residual = true, mask_residual = true, own_masks = true;
};

// The share of what is allowed; `wrong` is added to one channel's shift of the kernel alone.
double norm_error(const NormCase& c, torch::ScalarType type, float wrong = 0) {
  torch::Tensor x = image("x", {c.rooms, c.channels, c.height, c.width}, type);
  const torch::Tensor truth_x = wide(x);
  DeviceNorm norm{vector_of("bias", c.channels), vector_of("gain", c.channels) + 1, vector_of("move", c.channels)};
  const torch::Tensor mask = mask_of(c.own_masks ? c.rooms : 1, c.width);
  DeviceRest rest;
  if (c.extra)
    rest.extra = formula_uniform("extra", {c.own_masks ? c.rooms : 1, c.channels + 3}).narrow(1, 3, c.channels);
  if (c.residual) {
    rest.residual = image("residual", x.sizes(), type);
    rest.residual_bias = vector_of("more", c.channels);
  }
  rest.mask_residual = c.mask_residual;

  const torch::Tensor all = torch::constant_pad_nd(truth_x, {0, c.absent}) + per_channel(norm.bias);
  torch::Tensor truth = torch::mish(torch::group_norm(all, 8, wide(norm.gain), wide(norm.move))).narrow(3, 0, c.width);
  if (c.extra) truth = truth + wide(rest.extra).unsqueeze(2).unsqueeze(3);
  truth = truth * along_width(mask);
  if (c.residual) {
    const torch::Tensor other = wide(rest.residual) + per_channel(rest.residual_bias);
    truth = truth + (c.mask_residual ? other * along_width(mask) : other);
  }

  norm.move[c.channels / 2] += wrong;
  norm_mish(x, norm, {mask, torch::zeros({c.rooms}, torch::kInt), c.absent * c.height}, rest);
  return error_share(x, truth, 4e-6);
}

TEST(CudaReference, NormMish) {
  for (const torch::ScalarType type : kTypes)
    for (const NormCase& c :
         {NormCase{1, 64, 5, 7}, NormCase{3, 16, 4, 9, 3}, NormCase{2, 128, 25, 20, 4, false, false},
          NormCase{2, 256, 3, 13, 0, true, true, false}, NormCase{5, 8, 1, 6, 10, true, true, true, false},
          NormCase{1, 512, 50, 8, 8, false, true}}) {
      EXPECT_LT(norm_error(c, type), 1) << type << " " << c.channels;
      EXPECT_GT(norm_error(c, type, .2f), 1) << "a wrong shift is noticed, " << type << " " << c.channels;
    }
}

TEST(CudaReference, NormOfChannelsWithoutAKernelIsSaid) {
  torch::Tensor x = image("x", {1, 24, 2, 4}, torch::kFloat);  // 24 threads do not divide a block
  const DeviceNorm norm{vector_of("b", 24), vector_of("g", 24), vector_of("m", 24)};
  EXPECT_THROW(norm_mish(x, norm, {mask_of(1, 4), torch::zeros({1}, torch::kInt), 0}, {}), std::exception);
}

TEST(CudaReference, Pixels) {
  for (const torch::ScalarType type : kTypes)
    for (const auto& [rooms, channels] : {std::pair<int64_t, int64_t>{1, 64}, {3, 12}, {2, 7}}) {
      const torch::Tensor x = image("x", {rooms, channels, 3, 11}, type), other = image("other", x.sizes(), type);
      const torch::Tensor bias = vector_of("bias", channels), mask = mask_of(rooms, 11);
      const torch::Tensor truth = (wide(x) + wide(other) + per_channel(bias)) * .5 * along_width(mask);
      torch::Tensor out = torch::empty_like(x);
      pixels(x, {.other = other, .bias = bias, .mask = mask, .scale = .5f}, out);
      EXPECT_LT(error_share(out, truth, 1e-6), 1);
      pixels(x, {.other = other, .bias = bias + .1, .mask = mask, .scale = .5f}, out);
      EXPECT_GT(error_share(out, truth, 1e-6), 1);
      pixels(x, {}, out);
      EXPECT_TRUE(torch::equal(out, x));
      pixels(out, {.mask = mask.narrow(0, 0, 1)}, out);
      EXPECT_TRUE(torch::equal(out, x * mask[0])) << "one mask for all rooms, in place";
    }
}

TEST(CudaReference, Project) {
  for (const torch::ScalarType type : kTypes)
    for (const int64_t channels : {64, 9}) {
      const torch::Tensor x = image("x", {2, channels, 5, 7}, type), mask = mask_of(2, 7);
      const torch::Tensor weight = vector_of("weight", channels), bias = vector_of("bias", 1);
      const torch::Tensor sum = (wide(x) * per_channel(weight)).sum(1) + wide(bias);
      const torch::Tensor truth = sum * wide(mask).unsqueeze(1);
      EXPECT_LT(error_share(project(x, weight, bias, {mask, {}, 0}), truth, 1e-5), 1);
      EXPECT_GT(error_share(project(x, weight, bias + .01, {mask, {}, 0}), truth, 1e-5), 1);
    }
}

TEST(CudaReference, SnakeRun) {
  for (const torch::ScalarType type : kTypes)
    for (const auto& [rooms, channels, rows] :
         {std::array<int64_t, 3>{1, 24, 100}, {2, 6, 33}, {3, 7, 32}, {1, 1, 1}, {2, 4, 2}, {1, 2, 5}, {1, 48, 31}}) {
      SnakeActivation activation(channels);
      fill_by_formula(*activation, FormulaModel::bigvgan);
      const torch::Tensor x = image("x", {rooms, channels, 1, rows}, type), bias = vector_of("bias", channels);
      const DeviceSnake snake = device_snake(activation);
      activation->to(torch::kDouble);
      const torch::NoGradGuard no_grad;
      const torch::Tensor truth = activation((wide(x) + per_channel(bias)).squeeze(2)).unsqueeze(2);
      EXPECT_LT(error_share(snake_run(x, snake, bias), truth, 1e-5), 1) << type << channels << " " << rows;
      EXPECT_GT(error_share(snake_run(x, snake, bias + .1), truth, 1e-5), 1);
      EXPECT_LT(error_share(snake_run(x, snake, {}), activation(wide(x).squeeze(2)).unsqueeze(2), 1e-5), 1);
    }
}

TEST(CudaReference, Attention) {
  const torch::NoGradGuard no_grad;
  for (const torch::ScalarType type : kTypes)
    for (const auto& [rooms, channels, height, columns, absent] :
         {std::array<int64_t, 5>{1, 64, 5, 13, 3}, {2, 16, 25, 10, 0}, {3, 256, 3, 7, 9}, {1, 8, 100, 47, 1}}) {
      UNetAttention attention(channels);
      fill_by_formula(*attention, FormulaModel::fastsag, "decoder.estimator.mid_attn.");
      torch::Tensor x = image("x", {rooms, channels, height, columns}, type);
      const torch::Tensor mask = mask_of(rooms, columns), before = x.clone();
      const DeviceAttention device = device_attention(attention, type);
      attention->to(torch::kDouble);
      const torch::Tensor seen = attention(torch::constant_pad_nd(wide(x), {0, absent})).narrow(3, 0, columns);
      const torch::Tensor truth = seen * along_width(mask);
      // In bfloat16 the shares, what was seen and the folded matrix are rounded on the way.
      const double noise = type == torch::kFloat ? 1e-5 : .02 * (seen - wide(x)).abs().max().item<double>();
      attend(x, device, absent * height, mask);
      EXPECT_LT(error_share(x, truth, noise), 1) << type << channels;
      x = before.clone();
      attend(x, device, absent * height + 100 * height, mask);
      EXPECT_GT(error_share(x, truth, noise), 1) << "pixels that are not there are noticed";
    }
}

TEST(CudaReference, Joined) {
  const torch::Tensor a = image("a", {2, 3, 4, 5}, torch::kFloat), b = image("b", {2, 6, 4, 5}, torch::kFloat);
  EXPECT_TRUE(torch::equal(joined(a, b), torch::cat({a, b}, 1)));
  EXPECT_TRUE(joined(a, b).is_contiguous(at::MemoryFormat::ChannelsLast));
}

// A whole walk with a made-up network, against edm_sample().
class EdmStepWalk {
 public:
  explicit EdmStepWalk(int steps) { options_.steps = steps; }
  torch::Tensor plain() const {
    const auto impose = [&](torch::Tensor& x, double sigma) {
      if (known_.defined()) x = torch::where(known_mask_ > 0, known_ + sigma * noise_, x);
    };
    const auto network = [](const auto& x, const auto& mask, const auto& mu, const auto&) {
      return answer(torch::stack({mu, x}, 1) * mask.unsqueeze(1));
    };
    torch::Tensor x = edm_sample(options_, network, noise_, mask_.unsqueeze(1), mu_, impose);
    impose(x, 0);
    return x;
  }
  torch::Tensor kernel(torch::ScalarType type) const {
    const EdmBuffers buffers{edm_table(options_), torch::empty_like(noise_), mu_, noise_, known_, known_mask_};
    const DeviceFrames frames{mask_.narrow(1, 0, kColumns).contiguous(), {}, 0};
    torch::Tensor made, none,
        image = torch::empty({kRooms, 2, kBands, kColumns},
                             torch::TensorOptions(type).memory_format(at::MemoryFormat::ChannelsLast));
    for (int64_t row = 0; row < options_.steps; ++row) {
      edm_step(buffers, row, made, frames, image);
      made = answer(image.to(torch::kFloat)).contiguous();
    }
    edm_step(buffers, options_.steps, made, frames, none);
    return buffers.x;
  }
  void know() {
    known_ = formula_uniform("known", {kRooms, kBands, kWidth});
    known_mask_ = torch::zeros({kRooms, 1, kWidth});
    for (int64_t room = 1; room < kRooms; ++room) known_mask_[room].narrow(1, 2 * room, 5).fill_(1);  // the first: none
  }

 private:
  static constexpr int64_t kRooms = 3, kBands = 5, kWidth = 24, kColumns = 22;
  static torch::Tensor answer(const torch::Tensor& image) {
    const torch::Tensor x = image.select(1, 1);
    return torch::sin(3 * x) + image.select(1, 0) + .3 * x.flip(1);
  }

  EdmOptions options_;
  torch::Tensor noise_ = formula_normal("noise", {kRooms, kBands, kWidth});
  torch::Tensor mu_ = formula_uniform("mu", {kRooms, kBands, kWidth});
  torch::Tensor mask_ = mask_of(kRooms, kWidth), known_, known_mask_;
};

TEST(CudaReference, EdmStep) {
  for (const int steps : {1, 2, 7}) {
    EdmStepWalk walk(steps);
    for (const bool known : {false, true}) {
      if (known) walk.know();
      const torch::Tensor plain = wide(walk.plain());
      EXPECT_LT(error_share(walk.kernel(torch::kFloat), plain, 4e-5), 1) << steps << known;  // from 80 down to 1
      EXPECT_LT((wide(walk.kernel(torch::kBFloat16)) - plain).abs().max().item<double>(), .1) << "the input is rounded";
    }
  }
}

}  // namespace references
}  // namespace
}  // namespace fastsag::model
