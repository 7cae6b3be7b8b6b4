#include "model/nn/unet.h"

#include <cmath>
#include <utility>

#include "model/nn/kernels.h"
#include "model/nn/unet_cuda.h"
#include "model/nn/unet_fast.h"

namespace fastsag::model {
namespace {

using Nest = std::shared_ptr<torch::nn::Module>;  // nothing but a part of its children's names

Nest nest(torch::nn::Module& parent, const std::string& name) {
  return parent.register_module(name, std::make_shared<torch::nn::Module>());
}

torch::nn::Conv2d convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, kernel).stride(stride).padding(kernel / 2));
}

torch::Tensor halved(const torch::Tensor& mask) { return mask.slice(3, 0, std::nullopt, 2); }

}  // namespace

torch::Tensor unet_time_embedding(const torch::Tensor& t, int64_t dim) {
  const int64_t half = dim / 2;
  const torch::Tensor k = torch::arange(half, t.options().dtype(torch::kFloat));
  const torch::Tensor frequency = torch::exp(k * -(std::log(10000.) / static_cast<double>(half - 1)));
  const torch::Tensor phase = 1000 * t.to(torch::kDouble).unsqueeze(1) * frequency.to(torch::kDouble);
  return torch::cat({phase.sin(), phase.cos()}, 1);
}

UNetBlockImpl::UNetBlockImpl(int64_t in, int64_t out)
    : conv(convolution(in, out, 3)), norm(torch::nn::GroupNormOptions(8, out)) {
  const Nest block = nest(*this, "block");
  block->register_module("0", conv);
  block->register_module("1", norm);
}

torch::Tensor UNetBlockImpl::forward(const torch::Tensor& x, const torch::Tensor& mask) {
  return torch::mish(norm(conv(x * mask))) * mask;
}

UNetResnetImpl::UNetResnetImpl(int64_t in, int64_t out, int64_t time)
    : mlp(time, out),
      block1(register_module("block1", UNetBlock(in, out))),
      block2(register_module("block2", UNetBlock(out, out))) {
  nest(*this, "mlp")->register_module("1", mlp);
  if (in != out) res_conv = register_module("res_conv", convolution(in, out, 1));
}

torch::Tensor UNetResnetImpl::forward(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& time) {
  const torch::Tensor h = block1(x, mask) + mlp(torch::mish(time)).unsqueeze(2).unsqueeze(3);
  return block2(h, mask) + (res_conv ? res_conv(x * mask) : x * mask);
}

UNetAttentionImpl::UNetAttentionImpl(int64_t channels)
    : to_qkv(torch::nn::Conv2dOptions(channels, 3 * kHeads * kHead, 1).bias(false)),
      to_out(convolution(kHeads * kHead, channels, 1)) {
  const Nest rezero = nest(*this, "fn");
  gain = rezero->register_parameter("g", torch::zeros(1));  // a level starts as its convolutions alone
  const Nest inner = nest(*rezero, "fn");
  inner->register_module("to_qkv", to_qkv);
  inner->register_module("to_out", to_out);
}

torch::Tensor UNetAttentionImpl::forward(const torch::Tensor& x) {
  const auto qkv = to_qkv(x).reshape({x.size(0), 3, kHeads, kHead, -1}).unbind(1);
  const torch::Tensor context = torch::matmul(qkv[1].softmax(-1), qkv[2].transpose(-1, -2));  // [B][head][d][e]
  const torch::Tensor out = torch::matmul(context.transpose(-1, -2), qkv[0]);
  return x + gain * to_out(out.reshape({x.size(0), kHeads * kHead, x.size(2), x.size(3)}));
}

UNetLevelImpl::UNetLevelImpl(int64_t in, int64_t out, int64_t time, Then then)
    : first(register_module("0", UNetResnet(in, out, time))),
      second(register_module("1", UNetResnet(out, out, time))),
      attention(register_module("2", UNetAttention(out))) {
  if (then == Then::stay) return;
  const Nest change = nest(*this, "3");
  if (then == Then::down)
    down = change->register_module("conv", convolution(out, out, 3, 2));
  else
    up = change->register_module(
        "conv", torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(out, out, 4).stride(2).padding(1)));
}

UNetImpl::UNetImpl(int64_t dim_) : dim(dim_), mlp_in(dim, 4 * dim), mlp_out(4 * dim, dim) {
  const Nest mlp = nest(*this, "mlp"), down = nest(*this, "downs"), up = nest(*this, "ups");
  mlp->register_module("0", mlp_in);
  mlp->register_module("2", mlp_out);
  using After = UNetLevelImpl::Then;
  downs = {UNetLevel(2, dim, dim, After::down), UNetLevel(dim, 2 * dim, dim, After::down),
           UNetLevel(2 * dim, 4 * dim, dim, After::stay)};
  ups = {UNetLevel(8 * dim, 2 * dim, dim, After::up), UNetLevel(4 * dim, dim, dim, After::up)};
  for (size_t i = 0; i < downs.size(); ++i) down->register_module(std::to_string(i), downs[i]);
  for (size_t i = 0; i < ups.size(); ++i) up->register_module(std::to_string(i), ups[i]);
  mid_block1 = register_module("mid_block1", UNetResnet(4 * dim, 4 * dim, dim));
  mid_attn = register_module("mid_attn", UNetAttention(4 * dim));
  mid_block2 = register_module("mid_block2", UNetResnet(4 * dim, 4 * dim, dim));
  final_block = register_module("final_block", UNetBlock(dim, dim));
  final_conv = register_module("final_conv", convolution(dim, 1, 1));
}

UNetImpl::~UNetImpl() = default;

void UNetImpl::prepare(torch::ScalarType type, NetWay way) {
  unprepare();  // its memory first
  if (way == NetWay::own && mlp_in->weight.is_cpu())
    fast_ = std::make_shared<UNetFast>(*this, has_bf16() ? type : torch::kFloat);
  else if (UNetCuda::fits(*this))
    cuda_ = std::make_shared<UNetCuda>(*this, type);
}
void UNetImpl::unprepare() { fast_.reset(), cuda_.reset(); }

torch::Tensor UNetImpl::time(const torch::Tensor& c_noise) {
  const torch::Tensor embedding = seen("time_pos_emb", unet_time_embedding(c_noise, dim).to(mlp_in->weight.dtype()));
  return seen("mlp", mlp_out(torch::mish(mlp_in(embedding))));
}

torch::Tensor UNetImpl::seen(const std::string& name, torch::Tensor value) const {
  if (tap) tap(name, value);
  return value;
}

torch::Tensor UNetImpl::forward(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                                const torch::Tensor& c_noise) {
  const torch::Tensor frames =
      mask.defined() ? mask.to(x.scalar_type()).unsqueeze(1) : x.new_ones({1, 1, 1, x.size(2)});
  const torch::Tensor level = time(c_noise);
  if (cuda_ && !torch::GradMode::is_enabled()) return (*cuda_)(x, frames, mu, level, tap);
  const torch::Tensor image = torch::stack({mu, x}, 1);
  return fast_ && UNetFast::fits(*this, x) ? (*fast_)(image, frames, level, tap) : plain(image, frames, level);
}

torch::Tensor UNetImpl::plain(const torch::Tensor& image, const torch::Tensor& mask, const torch::Tensor& time) {
  std::vector<torch::Tensor> masks = {mask}, skips;
  torch::Tensor h = image;
  const auto level = [&](UNetLevel& part, const std::string& name) {
    h = seen(name + ".0", part->first(h, masks.back(), time));
    h = seen(name + ".1", part->second(h, masks.back(), time));
    h = seen(name + ".2", part->attention(h));
  };
  for (size_t i = 0; i < downs.size(); ++i) {
    const std::string name = "downs." + std::to_string(i);
    level(downs[i], name);
    skips.push_back(h);
    if (!downs[i]->down) continue;
    h = seen(name + ".3", downs[i]->down(h * masks.back()));
    masks.push_back(halved(masks.back()));
  }
  h = seen("mid_block1", mid_block1(h, masks.back(), time));
  h = seen("mid_attn", mid_attn(h));
  h = seen("mid_block2", mid_block2(h, masks.back(), time));
  for (size_t i = 0; i < ups.size(); ++i) {
    const std::string name = "ups." + std::to_string(i);
    h = torch::cat({h, skips.back()}, 1);  // of the two lower levels; the first level's skip has no reader
    skips.pop_back();
    level(ups[i], name);
    h = seen(name + ".3", ups[i]->up(h * masks.back()));
    masks.pop_back();
  }
  h = seen("final_block", final_block(h, mask));
  return (final_conv(h * mask) * mask).squeeze(1);
}

}  // namespace fastsag::model
