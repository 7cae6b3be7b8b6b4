#include "model/nn/unet_fast.h"

#include <ATen/Parallel.h>

#include <cmath>
#include <limits>

#include "model/nn/kernels.h"

namespace fastsag::model {
namespace {

// Work is cut the same way whatever the number of threads, so that sums come out the same.
constexpr int64_t kSlices = 16;

// body(T* data) with the image's own type.
template <class Body>
void typed(const torch::Tensor& x, const Body& body) {
  if (x.scalar_type() == torch::kFloat)
    body(x.data_ptr<float>());
  else
    body(reinterpret_cast<uint16_t*>(x.data_ptr<at::BFloat16>()));
}

template <class T>
T* at_item(T* data, const torch::Tensor& x, int64_t item) {
  return data + item * x.size(1) * x.size(2) * x.size(3);
}

// body(slice, first row, rows) for `rows` pixels.
template <class Body>
void sliced(int64_t rows, const Body& body) {
  const int64_t each = (rows + kSlices - 1) / kSlices;
  at::parallel_for(0, kSlices, 1, [&](int64_t begin, int64_t end) {
    for (int64_t slice = begin; slice < end; ++slice) {
      const int64_t first = std::min(slice * each, rows);
      body(slice, first, std::min(each, rows - first));
    }
  });
}

const float* mask_of(const torch::Tensor& mask, int64_t item) {
  return mask.data_ptr<float>() + (mask.size(0) == 1 ? 0 : item * mask.size(3));
}

// x * mask in place; only what is masked is touched.
void clear(const torch::Tensor& x, const torch::Tensor& mask) {
  const int64_t width = x.size(3), height = x.size(2);
  const size_t bytes = static_cast<size_t>(x.size(1)) * x.element_size();
  char* const data = static_cast<char*>(x.data_ptr());
  at::parallel_for(0, x.size(0) * height, 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* const frames = mask_of(mask, row / height);
      for (int64_t w = 0; w < width; ++w)
        if (frames[w] == 0) std::memset(data + static_cast<size_t>(row * width + w) * bytes, 0, bytes);
    }
  });
}

// Of one item: per channel what turns the convolution's answer into a normalised one.
template <class T>
std::pair<std::vector<float>, std::vector<float>> normaliser(const FastBlock& block, const T* x, int64_t rows,
                                                             int64_t channels, int64_t absent) {
  const float *const gain = block.gain.data_ptr<float>(), *const bias = block.bias.data_ptr<float>();
  const float* const alone = block.conv_bias.data_ptr<float>();  // what the convolution says of zeros
  const auto size = static_cast<size_t>(channels);
  std::vector<double> sums(kSlices * 2 * size);
  sliced(rows, [&](int64_t slice, int64_t first, int64_t count) {
    double* const sum = sums.data() + static_cast<size_t>(slice) * 2 * size;
    kernels<T>().moments({x + first * channels, count, channels, sum, sum + channels});
  });
  std::vector<float> scale(size), shift(size);
  const int64_t each = channels / block.groups;
  for (int64_t group = 0; group < block.groups; ++group) {
    double sum = 0, square = 0;
    for (int64_t slice = 0; slice < kSlices; ++slice) {
      const double* const from = sums.data() + slice * 2 * channels + group * each;
      for (int64_t c = 0; c < each; ++c) sum += from[c], square += from[c + channels];
    }
    for (int64_t c = group * each; c < (group + 1) * each; ++c) {
      sum += static_cast<double>(absent) * alone[c];
      square += static_cast<double>(absent) * alone[c] * alone[c];
    }
    const double count = static_cast<double>((rows + absent) * each), mean = sum / count;
    const double invert = 1 / std::sqrt(std::max(square / count - mean * mean, 0.) + 1e-5);
    for (int64_t c = group * each; c < (group + 1) * each; ++c) {
      const auto at = static_cast<size_t>(c);
      scale[at] = static_cast<float>(gain[c] * invert);
      shift[at] = static_cast<float>(bias[c] - mean * gain[c] * invert);
    }
  }
  return {std::move(scale), std::move(shift)};
}

torch::Tensor halved(const torch::Tensor& mask) { return mask.slice(3, 0, std::nullopt, 2).contiguous(); }

// Up to the last frame of any item, and one column more at the coarsest level: there the convolutions of every level
// still see a frame.
int64_t columns_needed(const torch::Tensor& mask) {
  const torch::Tensor frames = mask.flatten(0, 2).amax(0).nonzero();
  const int64_t last = frames.size(0) == 0 ? 0 : frames[-1].item<int64_t>() + 1;
  return std::min(mask.size(3), 4 * ((last + 3) / 4 + 1));
}

}  // namespace

FastBlock::FastBlock(const UNetBlock& block, torch::ScalarType type)
    : conv(block->conv, type),
      conv_bias(block->conv->bias.detach().to(type).to(torch::kFloat).contiguous()),
      gain(in_float(block->norm->weight)),
      bias(in_float(block->norm->bias)),
      groups(block->norm->options.num_groups()) {}

torch::Tensor FastBlock::operator()(const torch::Tensor& x, const FastFrames& frames, const torch::Tensor& extra,
                                    const torch::Tensor& residual) {
  const torch::Tensor h = conv(x).contiguous(at::MemoryFormat::ChannelsLast);
  const int64_t channels = h.size(1), width = h.size(3), rows = h.size(2) * width;
  typed(h, [&]<class T>(T* data) {
    for (int64_t item = 0; item < h.size(0); ++item) {
      T* const own = at_item(data, h, item);
      const auto [scale, shift] = normaliser(*this, own, rows, channels, frames.absent);
      const T* const other =
          residual.defined() ? at_item(static_cast<const T*>(residual.data_ptr()), h, item) : nullptr;
      const float* const more = extra.defined() ? extra.data_ptr<float>() + item * channels : nullptr;
      const float *const scales = scale.data(), *const shifts = shift.data();
      sliced(rows, [&](int64_t, int64_t first, int64_t count) {
        const int64_t at = first * channels;
        kernels<T>().mish({own + at, own + at, other ? other + at : nullptr, scales, shifts, more,
                           mask_of(frames.mask, item), width, first, count, channels});
      });
    }
  });
  return h;
}

FastResnet::FastResnet(const UNetResnet& resnet, torch::ScalarType type)
    : time_weight(in_float(resnet->mlp->weight)),
      time_bias(in_float(resnet->mlp->bias)),
      block1(resnet->block1, type),
      block2(resnet->block2, type) {
  if (resnet->res_conv) res_conv.emplace(resnet->res_conv, type);
}

torch::Tensor FastResnet::operator()(const torch::Tensor& x, const FastFrames& frames, const torch::Tensor& time) {
  const torch::Tensor h = block1(x, frames, torch::nn::functional::linear(time, time_weight, time_bias), {});
  return block2(h, frames, {}, res_conv ? (*res_conv)(x) : x);
}

FastAttention::FastAttention(const UNetAttention& attention)
    : bias(in_float(attention->to_out->bias)), gain(attention->gain.item<double>()) {
  const auto qkv = in_float(attention->to_qkv->weight).flatten(1).chunk(3, 0);
  const int64_t heads = UNetAttentionImpl::kHeads, head = UNetAttentionImpl::kHead;
  to_q = qkv[0].view({heads, head, -1}).contiguous();
  to_k = qkv[1].t().contiguous();
  to_v = qkv[2].view({heads, head, -1}).transpose(1, 2).contiguous();
  to_out = in_float(attention->to_out->weight).view({-1, heads, head}).transpose(0, 1).contiguous();
}

void FastAttention::operator()(torch::Tensor& x, int64_t absent) const {
  const int64_t channels = x.size(1), rows = x.size(2) * x.size(3), keys = kAttentionKeys;
  typed(x, [&]<class T>(T* data) {
    for (int64_t item = 0; item < x.size(0); ++item) {
      T* const own = at_item(data, x, item);
      // One more than the slices: the absent pixels, whose keys and colours are 0.
      const torch::Tensor largest = torch::full({kSlices + 1, keys, 1}, -std::numeric_limits<float>::infinity());
      const torch::Tensor sum = torch::zeros({kSlices + 1, keys, 1});
      const torch::Tensor seen = torch::zeros({kSlices + 1, keys, channels});
      if (absent > 0) {
        largest[kSlices].zero_();
        sum[kSlices].fill_(absent);
      }
      sliced(rows, [&](int64_t slice, int64_t first, int64_t count) {
        if (count == 0) return;
        kernels<T>().gather({own + first * channels, count, channels, to_k.data_ptr<float>(),
                             largest.data_ptr<float>() + slice * keys, sum.data_ptr<float>() + slice * keys,
                             seen.data_ptr<float>() + slice * keys * channels});
      });
      const torch::Tensor weight = torch::exp(largest - largest.amax(0, true));
      const torch::Tensor mean = ((weight * seen).sum(0) / (weight * sum).sum(0)).view({to_q.size(0), -1, channels});
      const torch::Tensor context = torch::matmul(mean, to_v).transpose(1, 2);                  // [head][e][d]
      const torch::Tensor change = torch::matmul(torch::matmul(to_out, context), to_q).sum(0);  // [out][in]
      const torch::Tensor matrix = (gain * change.t()).contiguous(), shift = gain * bias;
      sliced(rows, [&](int64_t, int64_t first, int64_t count) {
        T* const at = own + first * channels;
        kernels<T>().matrix({at, at, count, channels, matrix.data_ptr<float>(), shift.data_ptr<float>()});
      });
    }
  });
}

FastLevel::FastLevel(const UNetLevel& level, torch::ScalarType type)
    : first(level->first, type), second(level->second, type), attention(level->attention) {
  if (level->down) change.emplace(level->down, type);
  if (level->up) change.emplace(level->up, type);
}

UNetFast::UNetFast(const UNetImpl& unet, torch::ScalarType type)
    : type_(type),
      mid_block1_(unet.mid_block1, type),
      mid_block2_(unet.mid_block2, type),
      mid_attn_(unet.mid_attn),
      final_block_(unet.final_block, type),
      final_conv_(unet.final_conv, type) {
  for (const UNetLevel& level : unet.downs) downs_.emplace_back(level, type);
  for (const UNetLevel& level : unet.ups) ups_.emplace_back(level, type);
}

bool UNetFast::fits(const UNetImpl& unet, const torch::Tensor& x) {
  return x.is_cpu() && unet.dim % kLaneMultiple == 0 && !torch::GradMode::is_enabled();
}

torch::Tensor UNetFast::operator()(const torch::Tensor& image, const torch::Tensor& mask, const torch::Tensor& time,
                                   const Tap& tap) {
  const auto seen = [&](const std::string& name, const torch::Tensor& value) {
    if (tap) tap(name, value);
  };
  const torch::Tensor now = torch::mish(time);
  const int64_t width = tap ? image.size(3) : columns_needed(mask);
  std::vector<FastFrames> frames = {
      {mask.narrow(3, 0, width).to(torch::kFloat).contiguous(), (image.size(3) - width) * image.size(2)}};
  std::vector<torch::Tensor> skips;
  torch::Tensor h = (image.narrow(3, 0, width) * frames[0].mask).to(type_).contiguous(at::MemoryFormat::ChannelsLast);
  const auto attend = [&](const FastAttention& attention, const std::string& name) {
    attention(h, frames.back().absent);
    seen(name, h);
    clear(h, frames.back().mask);
  };
  const auto level = [&](FastLevel& part, const std::string& name) {
    h = part.first(h, frames.back(), now);
    seen(name + ".0", h);
    clear(h, frames.back().mask);
    h = part.second(h, frames.back(), now);
    seen(name + ".1", h);
    attend(part.attention, name + ".2");
  };
  for (size_t i = 0; i < downs_.size(); ++i) {
    const std::string name = "downs." + std::to_string(i);
    level(downs_[i], name);
    if (i > 0) skips.push_back(h);
    if (!downs_[i].change) continue;
    h = (*downs_[i].change)(h);
    seen(name + ".3", h);
    frames.push_back({halved(frames.back().mask), frames.back().absent / 4});
    clear(h, frames.back().mask);
  }
  h = mid_block1_(h, frames.back(), now);
  seen("mid_block1", h);
  attend(mid_attn_, "mid_attn");
  h = mid_block2_(h, frames.back(), now);
  seen("mid_block2", h);
  for (size_t i = 0; i < ups_.size(); ++i) {
    const std::string name = "ups." + std::to_string(i);
    h = torch::cat({h, skips.back()}, 1);
    skips.pop_back();
    level(ups_[i], name);
    h = (*ups_[i].change)(h);
    seen(name + ".3", h);
    frames.pop_back();
    clear(h, frames.back().mask);
  }
  h = final_block_(h, frames.back(), {}, {});
  seen("final_block", h);
  const torch::Tensor made = (final_conv_(h).to(torch::kFloat) * frames.back().mask).squeeze(1);
  return width == image.size(3) ? made : torch::constant_pad_nd(made, {0, image.size(3) - width});
}

}  // namespace fastsag::model
