#include "model/nn/bigvgan_cuda.h"

#include "model/nn/bigvgan_fast.h"

namespace fastsag::model {
namespace {

torch::Tensor with_bias(const DeviceConv& conv, const torch::Tensor& x) {
  torch::Tensor made = conv(x);
  pixels(made, {.bias = conv.bias}, made);
  return made;
}

}  // namespace

DeviceSnake device_snake(const SnakeActivation& activation) {
  const FastSnake same(activation);
  return {same.alpha, same.gain, same.up, same.down};
}

CudaAmpBlock::CudaAmpBlock(const AmpBlock& block, torch::ScalarType type) {
  for (const auto& conv : block->convs1) convs1.emplace_back(conv, type);
  for (const auto& conv : block->convs2) convs2.emplace_back(conv, type);
  for (const auto& activation : block->activations) activations.push_back(device_snake(activation));
}

torch::Tensor CudaAmpBlock::operator()(torch::Tensor x) const {
  for (size_t i = 0; i < convs1.size(); ++i) {
    const torch::Tensor inner = convs1[i](snake_run(x, activations[2 * i], {}));
    torch::Tensor made = convs2[i](snake_run(inner, activations[2 * i + 1], convs1[i].bias));
    pixels(made, {.other = x, .bias = convs2[i].bias}, made);
    x = made;
  }
  return x;
}

BigVganCuda::BigVganCuda(const BigVganImpl& vocoder, torch::ScalarType type)
    : type_(type),
      conv_pre_(vocoder.conv_pre, type),
      conv_post_(vocoder.conv_post, type),
      activation_post_(device_snake(vocoder.activation_post)) {
  for (const auto& up : vocoder.ups) ups_.emplace_back(up, type);
  for (const AmpBlock& block : vocoder.blocks) blocks_.emplace_back(block, type);
}

torch::Tensor BigVganCuda::operator()(const torch::Tensor& mel, const Tap& tap) const {
  const auto seen = [&](const std::string& name, const torch::Tensor& value) {
    if (tap) tap(name, value.squeeze(2));
  };
  torch::Tensor x = with_bias(conv_pre_, mel.unsqueeze(2).to(type_).contiguous(at::MemoryFormat::ChannelsLast));
  seen("conv_pre", x);
  const size_t branches = blocks_.size() / ups_.size();
  for (size_t stage = 0; stage < ups_.size(); ++stage) {
    x = with_bias(ups_[stage], x);
    seen("ups." + std::to_string(stage) + ".0", x);
    torch::Tensor sum;
    for (size_t branch = 0; branch < branches; ++branch) {
      const size_t i = stage * branches + branch;
      const torch::Tensor made = blocks_[i](x);
      seen("resblocks." + std::to_string(i), made);
      const float scale = branch + 1 == branches ? 1 / static_cast<float>(branches) : 1;
      if (!sum.defined())
        sum = made;
      else
        pixels(sum, {.other = made, .scale = scale}, sum);
    }
    x = sum;
  }
  x = snake_run(x, activation_post_, {});
  seen("activation_post", x);
  x = with_bias(conv_post_, x);
  seen("conv_post", x);
  return x.squeeze(2).to(torch::kFloat);
}

}  // namespace fastsag::model
