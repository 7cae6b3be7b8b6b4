#include "model/nn/bigvgan_fast.h"

#include <ATen/Parallel.h>

#include <numbers>

#include "model/nn/kernels.h"

namespace fastsag::model {
namespace {

template <class T>
void activate(const FastSnake& snake, const torch::Tensor& x, const torch::Tensor& out) {
  const int64_t channels = x.size(1), rows = x.size(3);
  for (int64_t item = 0; item < x.size(0); ++item) {
    SnakeArgs<T> args{static_cast<const T*>(x.data_ptr()) + item * rows * channels,
                      static_cast<T*>(out.data_ptr()) + item * rows * channels,
                      rows,
                      channels,
                      0,
                      rows,
                      snake.alpha.data_ptr<float>(),
                      snake.gain.data_ptr<float>(),
                      snake.up.data_ptr<float>(),
                      snake.down.data_ptr<float>()};
    at::parallel_for(0, rows, 256, [args](int64_t first, int64_t last) {
      SnakeArgs<T> part = args;
      part.first = first;
      part.last = last;
      kernels<T>().snake(part);
    });
  }
}

torch::Tensor flat(const torch::Tensor& filter) { return filter.to(torch::kFloat).flatten().contiguous(); }

}  // namespace

FastSnake::FastSnake(const SnakeActivation& activation)
    : alpha((activation->alpha.detach().to(torch::kDouble).exp() / std::numbers::pi).to(torch::kFloat)),
      gain((1 / (activation->beta.detach().to(torch::kDouble).exp() + 1e-9)).to(torch::kFloat)),
      up(flat(activation->up_filter)),
      down(flat(activation->down_filter)) {}

torch::Tensor FastSnake::operator()(const torch::Tensor& x) const {
  const torch::Tensor from = x.contiguous(at::MemoryFormat::ChannelsLast);
  torch::Tensor out = torch::empty_like(from);
  if (from.scalar_type() == torch::kFloat)
    activate<float>(*this, from, out);
  else
    activate<uint16_t>(*this, from, out);
  return out;
}

FastAmpBlock::FastAmpBlock(const AmpBlock& block, torch::ScalarType type) {
  for (const auto& conv : block->convs1) convs1.emplace_back(conv, type);
  for (const auto& conv : block->convs2) convs2.emplace_back(conv, type);
  for (const auto& activation : block->activations) activations.emplace_back(activation);
}

torch::Tensor FastAmpBlock::operator()(const torch::Tensor& x) {
  torch::Tensor sum;
  for (size_t i = 0; i < convs1.size(); ++i) {
    const torch::Tensor& from = i == 0 ? x : sum;
    const torch::Tensor change = activations[2 * i + 1](convs1[i](activations[2 * i](from)));
    if (i == 0)
      sum = convs2[i].plus(change, x);  // x is the other blocks' too
    else
      convs2[i].add_to(sum, change);
  }
  return sum;
}

BigVganFast::BigVganFast(const BigVganImpl& vocoder, torch::ScalarType type)
    : type_(type),
      conv_pre_(vocoder.conv_pre, type),
      conv_post_(vocoder.conv_post, type),
      activation_post_(vocoder.activation_post) {
  for (const auto& up : vocoder.ups) ups_.emplace_back(up, type);
  for (const AmpBlock& block : vocoder.blocks) blocks_.emplace_back(block, type);
}

torch::Tensor BigVganFast::operator()(const torch::Tensor& mel, const Tap& tap) {
  const auto seen = [&](const std::string& name, const torch::Tensor& value) {
    if (tap) tap(name, value.squeeze(2));
  };
  torch::Tensor x = conv_pre_(mel.unsqueeze(2).to(type_).contiguous(at::MemoryFormat::ChannelsLast));
  seen("conv_pre", x);
  const size_t branches = blocks_.size() / ups_.size();
  for (size_t stage = 0; stage < ups_.size(); ++stage) {
    x = ups_[stage](x);
    seen("ups." + std::to_string(stage) + ".0", x);
    torch::Tensor sum;
    for (size_t i = stage * branches; i < (stage + 1) * branches; ++i) {
      const torch::Tensor made = blocks_[i](x);
      seen("resblocks." + std::to_string(i), made);
      sum = sum.defined() ? sum.add_(made) : made;
    }
    x = sum.mul_(1 / static_cast<double>(branches));
  }
  x = activation_post_(x);
  seen("activation_post", x);
  x = conv_post_(x);
  seen("conv_post", x);
  return x.squeeze(2).to(torch::kFloat);
}

}  // namespace fastsag::model
