#include "model/nn/unet_cuda.h"

#include "model/cuda/attention.h"
#include "model/cuda/norm_mish.h"

namespace fastsag::model {
DeviceAttention device_attention(const UNetAttention& attention, torch::ScalarType type) {
  const auto qkv = in_float(attention->to_qkv->weight).flatten(1).chunk(3, 0);
  const int64_t heads = UNetAttentionImpl::kHeads, head = UNetAttentionImpl::kHead;
  const torch::Tensor gain = in_float(attention->gain);
  return {qkv[1].t().to(type).contiguous(), qkv[0].t().to(type).contiguous(),
          qkv[2].view({heads, head, -1}).transpose(1, 2).contiguous(),
          (gain * in_float(attention->to_out->weight)).view({-1, heads, head}).permute({1, 2, 0}).contiguous(),
          (gain * in_float(attention->to_out->bias)).contiguous()};
}

CudaBlock::CudaBlock(const UNetBlock& block, torch::ScalarType type)
    : conv(block->conv, type), norm{conv.bias, in_float(block->norm->weight), in_float(block->norm->bias)} {}

torch::Tensor CudaBlock::operator()(const torch::Tensor& x, const DeviceFrames& frames, const DeviceRest& rest) const {
  torch::Tensor h = conv(x);
  norm_mish(h, norm, frames, rest);
  return h;
}

CudaResnet::CudaResnet(const UNetResnet& resnet, torch::ScalarType type)
    : block1(resnet->block1, type), block2(resnet->block2, type), channels(resnet->mlp->options.out_features()) {
  if (resnet->res_conv) res_conv.emplace(resnet->res_conv, type);
}

torch::Tensor CudaResnet::operator()(const torch::Tensor& x, const DeviceFrames& frames, const torch::Tensor& added,
                                     bool mask_residual) const {
  const torch::Tensor h = block1(x, frames, {.extra = added.narrow(1, first, channels)});
  return block2(h, frames,
                {.residual = res_conv ? (*res_conv)(x) : x,
                 .residual_bias = res_conv ? res_conv->bias : torch::Tensor(),
                 .mask_residual = mask_residual});
}

CudaLevel::CudaLevel(const UNetLevel& level, torch::ScalarType type)
    : resnet1(level->first, type), resnet2(level->second, type), attention(device_attention(level->attention, type)) {
  if (level->down) change.emplace(level->down, type);
  if (level->up) change.emplace(level->up, type);
}

UNetCuda::UNetCuda(const UNetImpl& unet, torch::ScalarType type)
    : type_(type),
      mid_block1_(unet.mid_block1, type),
      mid_block2_(unet.mid_block2, type),
      mid_attn_(device_attention(unet.mid_attn, type)),
      final_block_(unet.final_block, type),
      final_weight_(in_float(unet.final_conv->weight).flatten()),
      final_bias_(in_float(unet.final_conv->bias)) {
  std::vector<torch::Tensor> weights, biases;
  int64_t first = 0;
  const auto place = [&](CudaResnet& own, const UNetResnet& resnet) {
    own.first = first;
    first += own.channels;
    weights.push_back(in_float(resnet->mlp->weight));
    biases.push_back(in_float(resnet->mlp->bias));
  };
  const auto take = [&](std::vector<CudaLevel>& levels, const std::vector<UNetLevel>& from) {
    for (const UNetLevel& level : from) {
      levels.emplace_back(level, type);
      place(levels.back().resnet1, level->first);
      place(levels.back().resnet2, level->second);
    }
  };
  take(downs_, unet.downs);
  place(mid_block1_, unet.mid_block1);
  place(mid_block2_, unet.mid_block2);
  take(ups_, unet.ups);
  time_weight_ = torch::cat(weights).t().contiguous();
  time_bias_ = torch::cat(biases);
}

bool UNetCuda::fits(const UNetImpl& unet) {
  return cuda::norm_fits<float>(unet.dim) && cuda::norm_fits<float>(4 * unet.dim) &&
         cuda::norm_fits<uint16_t>(unet.dim) && cuda::norm_fits<uint16_t>(4 * unet.dim) &&
         4 * unet.dim <= cuda::kMostFoldChannels;
}

int64_t UNetCuda::columns_for(int64_t frames, int64_t width) { return std::min(width, 4 * ((frames + 3) / 4 + 1)); }

UNetCuda::Frames UNetCuda::frames_of(const torch::Tensor& mask, int64_t items, int64_t height, int64_t columns) {
  const torch::Tensor arrived = torch::zeros({items}, mask.options().dtype(torch::kInt));
  int64_t absent = (mask.size(1) - columns) * height;
  torch::Tensor own = mask.narrow(1, 0, columns).to(torch::kFloat).contiguous();
  Frames frames;
  for (DeviceFrames& level : frames) {
    level = {own, arrived, absent};
    own = own.slice(1, 0, std::nullopt, 2).contiguous();
    absent /= 4;
  }
  return frames;
}

torch::Tensor UNetCuda::added(const torch::Tensor& time) const {
  return torch::addmm(time_bias_, torch::mish(time).to(torch::kFloat), time_weight_);
}

torch::Tensor UNetCuda::operator()(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                                   const torch::Tensor& time, const Tap& tap) const {
  const torch::Tensor own = mask.flatten(1);  // [B or 1][W]
  const torch::Tensor image = (torch::stack({mu, x}, 1) * mask).to(type_).contiguous(at::MemoryFormat::ChannelsLast);
  return evaluate(image, frames_of(own, x.size(0), x.size(1), x.size(2)), added(time), tap).to(x.scalar_type());
}

torch::Tensor UNetCuda::evaluate(torch::Tensor h, const Frames& frames, const torch::Tensor& added,
                                 const Tap& tap) const {
  const bool watched = static_cast<bool>(tap);
  size_t at = 0;  // the level
  std::vector<torch::Tensor> skips;
  const auto seen = [&](const std::string& name) {
    if (!watched) return;
    tap(name, h);
    pixels(h, {.mask = frames[at].mask}, h);
  };
  const auto mask = [&] { return watched ? torch::Tensor() : frames[at].mask; };
  const auto attend_here = [&](const DeviceAttention& attention, const std::string& name) {
    attend(h, attention, frames[at].absent, mask());
    seen(name);
  };
  const auto resnet = [&](const CudaResnet& part, const std::string& name) {
    h = part(h, frames[at], added, !watched);
    seen(name);
  };
  const auto level = [&](const CudaLevel& part, const std::string& name) {
    resnet(part.resnet1, name + ".0");
    resnet(part.resnet2, name + ".1");
    attend_here(part.attention, name + ".2");
  };
  const auto change = [&](const DeviceConv& conv, size_t to, const std::string& name) {
    h = conv(h);
    at = to;
    pixels(h, {.bias = conv.bias, .mask = mask()}, h);
    seen(name);
  };
  for (size_t i = 0; i < downs_.size(); ++i) {
    const std::string name = "downs." + std::to_string(i);
    level(downs_[i], name);
    if (i > 0) skips.push_back(h);
    if (downs_[i].change) change(*downs_[i].change, at + 1, name + ".3");
  }
  resnet(mid_block1_, "mid_block1");
  attend_here(mid_attn_, "mid_attn");
  resnet(mid_block2_, "mid_block2");
  for (size_t i = 0; i < ups_.size(); ++i) {
    const std::string name = "ups." + std::to_string(i);
    h = joined(h, skips.back());
    skips.pop_back();
    level(ups_[i], name);
    change(*ups_[i].change, at - 1, name + ".3");
  }
  h = final_block_(h, frames[0], {});
  seen("final_block");
  return project(h, final_weight_, final_bias_, frames[0]);
}

}  // namespace fastsag::model
