#include "model/nn/snake.h"

#include <numbers>

namespace fastsag::model {

namespace F = torch::nn::functional;

namespace {

torch::Tensor replicated(const torch::Tensor& x, int64_t left, int64_t right) {
  return F::pad(x, F::PadFuncOptions({left, right}).mode(torch::kReplicate));
}

// Every channel by itself with the same filter.
torch::Tensor of_each(const torch::Tensor& filter, const torch::Tensor& x) {
  return filter.to(x.scalar_type()).view({1, 1, kSnakeTaps}).expand({x.size(1), 1, kSnakeTaps});
}

}  // namespace

torch::Tensor snake_filter() {
  constexpr double kCutoff = .25, kHalfWidth = .3;
  constexpr double kHalf = kSnakeTaps / 2;
  const double attenuation = 2.285 * (kHalf - 1) * std::numbers::pi * 4 * kHalfWidth + 7.95;
  const double beta = .1102 * (attenuation - 8.7);  // Kaiser's, above 50 dB; here it is 51
  const torch::Tensor window = torch::kaiser_window(kSnakeTaps, false, beta, torch::kDouble);
  const torch::Tensor time = torch::arange(kSnakeTaps, torch::kDouble) - kHalf + .5;
  const torch::Tensor filter = 2 * kCutoff * window * torch::sinc(2 * kCutoff * time);
  return (filter / filter.sum()).to(torch::kFloat);
}

torch::Tensor snake(const torch::Tensor& x, const torch::Tensor& alpha, const torch::Tensor& beta) {
  return x + torch::sin(x * alpha.exp().unsqueeze(1)).square() / (beta.exp() + 1e-9).unsqueeze(1);
}

torch::Tensor snake_doubled(const torch::Tensor& x, const torch::Tensor& filter) {
  const torch::Tensor full = F::conv_transpose1d(replicated(x, 5, 5), of_each(filter, x),
                                                 F::ConvTranspose1dFuncOptions().stride(2).groups(x.size(1)));
  return 2 * full.slice(2, 15, full.size(2) - 15);
}

torch::Tensor snake_halved(const torch::Tensor& x, const torch::Tensor& filter) {
  return F::conv1d(replicated(x, 5, 6), of_each(filter, x), F::Conv1dFuncOptions().stride(2).groups(x.size(1)));
}

SnakeActivationImpl::SnakeActivationImpl(int64_t channels) {
  const auto nest = [](torch::nn::Module& parent, const char* name) {
    return parent.register_module(name, std::make_shared<torch::nn::Module>());
  };
  const auto act = nest(*this, "act"), up = nest(*this, "upsample"), down = nest(*this, "downsample");
  alpha = act->register_parameter("alpha", torch::zeros(channels));
  beta = act->register_parameter("beta", torch::zeros(channels));
  up_filter = up->register_buffer("filter", snake_filter().view({1, 1, kSnakeTaps}));
  down_filter = nest(*down, "lowpass")->register_buffer("filter", snake_filter().view({1, 1, kSnakeTaps}));
}

torch::Tensor SnakeActivationImpl::forward(const torch::Tensor& x) {
  return snake_halved(snake(snake_doubled(x, up_filter), alpha, beta), down_filter);
}

}  // namespace fastsag::model
