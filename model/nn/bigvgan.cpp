#include "model/nn/bigvgan.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "model/nn/bigvgan_cuda.h"
#include "model/nn/bigvgan_fast.h"
#include "model/nn/kernels.h"

namespace fastsag::model {
namespace {

torch::nn::Conv1d convolution(int64_t in, int64_t out, int64_t kernel, int64_t dilation = 1, bool bias = true) {
  return torch::nn::Conv1d(
      torch::nn::Conv1dOptions(in, out, kernel).dilation(dilation).padding(dilation * (kernel / 2)).bias(bias));
}

std::shared_ptr<torch::nn::Module> nest(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>());
}

}  // namespace

AmpBlockImpl::AmpBlockImpl(int64_t channels, int64_t kernel, const std::vector<int64_t>& dilations) {
  const auto first = nest(*this, "convs1"), second = nest(*this, "convs2"), acts = nest(*this, "activations");
  for (size_t i = 0; i < dilations.size(); ++i) {
    convs1.push_back(first->register_module(std::to_string(i), convolution(channels, channels, kernel, dilations[i])));
    convs2.push_back(second->register_module(std::to_string(i), convolution(channels, channels, kernel)));
    for (const size_t k : {2 * i, 2 * i + 1})
      activations.push_back(acts->register_module(std::to_string(k), SnakeActivation(channels)));
  }
}

torch::Tensor AmpBlockImpl::forward(torch::Tensor x) {
  for (size_t i = 0; i < convs1.size(); ++i)
    x = x + convs2[i](activations[2 * i + 1](convs1[i](activations[2 * i](x))));
  return x;
}

BigVganImpl::BigVganImpl(BigVganVersion version_, BigVganSizes sizes_)
    : version(version_),
      sizes(std::move(sizes_)),
      conv_pre(register_module("conv_pre", convolution(sizes.bands, sizes.channels, 7))) {
  const auto up = nest(*this, "ups"), block = nest(*this, "resblocks");
  int64_t channels = sizes.channels;
  for (const int64_t rate : sizes.rates) {
    const auto options =
        torch::nn::ConvTranspose1dOptions(channels, channels / 2, 2 * rate).stride(rate).padding(rate / 2);
    ups.push_back(nest(*up, std::to_string(ups.size()))->register_module("0", torch::nn::ConvTranspose1d(options)));
    channels /= 2;
    for (const int64_t kernel : sizes.block_kernels)
      blocks.push_back(
          block->register_module(std::to_string(blocks.size()), AmpBlock(channels, kernel, sizes.dilations)));
  }
  activation_post = register_module("activation_post", SnakeActivation(channels));
  conv_post = register_module("conv_post", convolution(channels, 1, 7, 1, version == BigVganVersion::v1));
}

BigVganImpl::~BigVganImpl() = default;

void BigVganImpl::prepare(torch::ScalarType type, NetWay way) {
  unprepare();  // its memory first
  if (way == NetWay::own && conv_pre->weight.is_cpu())
    fast_ = std::make_shared<BigVganFast>(*this, has_bf16() ? type : torch::kFloat);
  else
    cuda_ = std::make_shared<BigVganCuda>(*this, type);
}
void BigVganImpl::unprepare() { fast_.reset(), cuda_.reset(); }

torch::Tensor BigVganImpl::seen(const std::string& name, torch::Tensor value) const {
  if (tap) tap(name, value);
  return value;
}

int64_t BigVganImpl::hop() const {
  return std::accumulate(sizes.rates.begin(), sizes.rates.end(), int64_t{1}, std::multiplies<>());
}

// From the last sample back: what a range of outputs reads, in samples of each stage's own rate.
int64_t BigVganImpl::reach() const {
  const int64_t half = *std::max_element(sizes.block_kernels.begin(), sizes.block_kernels.end()) / 2;
  int64_t block = 0;
  for (const int64_t dilation : sizes.dilations) block += half * dilation + half + 2 * kSnakeReach;
  int64_t reach = 3 + kSnakeReach;
  for (auto rate = sizes.rates.rbegin(); rate != sizes.rates.rend(); ++rate)
    reach = (reach + block + *rate / 2 + *rate - 1) / *rate + 1;
  return reach + 3;
}

torch::Tensor BigVganImpl::render(const torch::Tensor& mel, int64_t first, int64_t frames) {
  const int64_t begin = std::max<int64_t>(first - reach(), 0);
  const int64_t end = std::min(first + frames + reach(), mel.size(2));
  return forward(mel.slice(2, begin, end)).narrow(2, (first - begin) * hop(), frames * hop());
}

torch::Tensor BigVganImpl::forward(const torch::Tensor& mel) {
  const bool prepared = !torch::GradMode::is_enabled();
  const torch::Tensor x = prepared && cuda_ ? (*cuda_)(mel, tap) : prepared && fast_ ? (*fast_)(mel, tap) : plain(mel);
  return version == BigVganVersion::v1 ? torch::tanh(x) : torch::clamp(x, -1, 1);
}

torch::Tensor BigVganImpl::plain(const torch::Tensor& mel) {
  torch::Tensor x = seen("conv_pre", conv_pre(mel));
  const size_t branches = sizes.block_kernels.size();
  for (size_t stage = 0; stage < ups.size(); ++stage) {
    x = seen("ups." + std::to_string(stage) + ".0", ups[stage](x));
    torch::Tensor sum;
    for (size_t i = stage * branches; i < (stage + 1) * branches; ++i) {
      const torch::Tensor made = seen("resblocks." + std::to_string(i), blocks[i](x));
      sum = sum.defined() ? sum + made : made;
    }
    x = sum / static_cast<double>(branches);
  }
  return seen("conv_post", conv_post(seen("activation_post", activation_post(x))));
}

}  // namespace fastsag::model
