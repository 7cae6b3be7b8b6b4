#include "model/nn/chord_net.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "model/lite/steps.h"
#include "model/nn/chord_net_fast.h"

namespace fastsag::model {
namespace {

using torch::Tensor;
namespace nn = torch::nn;
namespace F = torch::nn::functional;

Tensor layer_norm(const Tensor& x) { return F::layer_norm(x, F::LayerNormFuncOptions({x.size(-1)})); }

}  // namespace

CirculantImpl::CirculantImpl(int64_t in, int64_t out, int64_t kernel, int64_t dilation)
    : in_(in), out_(out), kernel_(kernel), dilation_(dilation) {
  const double bound = 1 / std::sqrt(static_cast<double>(12 * in * kernel));
  weight_ = register_parameter("weight", torch::empty({kernel, 12, in, out}).uniform_(-bound, bound));
  bias_ = register_parameter("bias", torch::zeros({out}));
  const auto pc = torch::arange(12);
  // [from][to]: how far `to` lies above `from`.
  order_ = (pc.unsqueeze(0) - pc.unsqueeze(1)).remainder(12).flatten();
}

// Small beside what it multiplies, and one large product is fast everywhere.
Tensor CirculantImpl::matrix() const {
  return weight_.index_select(1, order_.to(weight_.device()))
      .view({kernel_, 12, 12, in_, out_})
      .permute({0, 1, 3, 2, 4})
      .reshape({kernel_ * 12 * in_, 12 * out_});
}

Tensor CirculantImpl::weight_at(int64_t frequency, bool sines) const {
  const Tensor angle = torch::arange(12, weight_.options().dtype(torch::kDouble)) * (std::numbers::pi / 6) * frequency;
  const Tensor wave = (sines ? angle.sin() : angle.cos()).view({1, 12, 1, 1});
  return (weight_.to(torch::kDouble) * wave).sum(1).to(torch::kFloat);
}

Tensor CirculantImpl::forward(const Tensor& x) {
  const auto steps = x.size(1);
  Tensor input = x;
  if (kernel_ > 1) {
    const int64_t reach = dilation_ * (kernel_ / 2);
    const Tensor padded = F::pad(x, F::PadFuncOptions({0, 0, reach, reach}));
    std::vector<Tensor> taps;
    for (int64_t k = 0; k < kernel_; ++k) taps.push_back(padded.narrow(1, k * dilation_, steps));
    input = torch::cat(taps, -1);
  }
  return torch::matmul(input, matrix()) + bias();
}

GatedConvImpl::GatedConvImpl(int64_t channels, int64_t dilation)
    : conv_(register_module("conv", Circulant(channels, 2 * channels, 3, dilation))),
      mix_(register_module("mix", Circulant(channels, channels))) {}

Tensor GatedConvImpl::forward(const Tensor& x) {
  const auto gates = conv_->forward(layer_norm(x)).view({x.size(0), x.size(1), 12, -1}).chunk(2, -1);
  return x + mix_->forward((torch::tanh(gates[0]) * torch::sigmoid(gates[1])).flatten(2));
}

ChordBlockImpl::ChordBlockImpl(const ChordNetOptions& options, int64_t dilation)
    : channels_(options.channels), heads_(options.heads) {
  const int64_t c = channels_;
  conv_ = register_module("conv", GatedConv(c, dilation));
  qkv_ = register_module("qkv", Circulant(c, 3 * c));
  join_ = register_module("join", Circulant(c, c));
  wide_ = register_module("wide", Circulant(c, 2 * c));
  narrow_ = register_module("narrow", Circulant(2 * c, c));
  distance_ = register_parameter("distance", torch::zeros({heads_, 2 * kSongBeats - 1}));
}

Tensor ChordBlockImpl::forward(const Tensor& input) {
  const auto batch = input.size(0), beats = input.size(1), c = channels_, part = c / heads_;
  Tensor x = conv_->forward(input);
  // Pitch classes are folded into the heads: how well two beats match does not depend on the key.
  const auto qkv = qkv_->forward(layer_norm(x)).view({batch, beats, 12, 3, heads_, part}).permute({3, 0, 4, 1, 2, 5});
  const auto fold = [&](const Tensor& t) { return t.reshape({batch, heads_, beats, 12 * part}); };
  const auto place = torch::arange(beats, torch::TensorOptions().dtype(torch::kLong).device(x.device()));
  const Tensor apart = place.unsqueeze(0) - place.unsqueeze(1) + (kSongBeats - 1);
  const Tensor bias = distance_.index_select(1, apart.flatten()).view({1, heads_, beats, beats});
  const Tensor attended =
      torch::scaled_dot_product_attention(fold(qkv[0]), fold(qkv[1]), fold(qkv[2]), bias.to(x.scalar_type()));
  x = x + join_->forward(
              attended.view({batch, heads_, beats, 12, part}).permute({0, 2, 3, 1, 4}).reshape({batch, beats, 12 * c}));
  return x + narrow_->forward(torch::silu(wide_->forward(layer_norm(x))));
}

ChordNetImpl::ChordNetImpl(const ChordNetOptions& options) : options_(options) {
  const int64_t c = options.channels;
  enter_ = register_module("enter", Circulant(kPitchFeatures, c));
  scalars_ = register_module("scalars", nn::Linear(kStepScalars, c));
  within_ = register_module("within", GatedConv(c, 1));
  gather_ = register_module("gather", Circulant(kStepsPerBeat * c, c));
  blocks_ = register_module("blocks", nn::ModuleList());
  for (const int64_t dilation : options.dilations) blocks_->push_back(ChordBlock(options, dilation));
  leave_ = register_module("leave", Circulant(c, 2));
}

void ChordNetImpl::prepare(Precision precision) { fast_ = std::make_shared<const ChordNetFast>(*this, precision); }

Tensor ChordNetImpl::forward(const Tensor& pitches, const Tensor& scalars) {
  const auto batch = pitches.size(0), steps = pitches.size(1), c = options_.channels;
  Tensor x = enter_->forward(pitches.reshape({batch, steps, 12 * kPitchFeatures}));
  x = within_->forward(x + scalars_->forward(scalars).repeat({1, 1, 12}));
  x = gather_->forward(x.view({batch, steps / kStepsPerBeat, kStepsPerBeat, 12, c}).transpose(2, 3).flatten(2));
  for (const auto& block : *blocks_) x = block->as<ChordBlock>()->forward(x);
  return leave_->forward(layer_norm(x)).to(torch::kFloat);
}

dsp::Pooled<float> ChordNetImpl::probabilities(std::span<const float> pitches, std::span<const float> scalars) {
  dsp::Pooled<float> p(kSongBeats * kTriads);
  const torch::InferenceMode inference;
  if (fast_) {
    thread_local Tensor logits = torch::empty({kSongBeats, kTriads}), made = torch::empty_like(logits);
    (*fast_)(pitches, scalars, {logits.data_ptr<float>(), p.size()});
    at::_softmax_out(made, logits, -1, false);
    std::copy_n(made.const_data_ptr<float>(), p.size(), p.begin());
    return p;
  }
  const auto seen = [this](std::span<const float> x, torch::IntArrayRef shape) {
    return torch::from_blob(const_cast<float*>(x.data()), shape).to(scalars_->weight.device());
  };
  const Tensor made =
      torch::softmax(
          forward(seen(pitches, {1, kSongSteps, 12, kPitchFeatures}), seen(scalars, {1, kSongSteps, kStepScalars})), -1)
          .to(torch::kCPU)
          .contiguous();
  std::copy_n(made.const_data_ptr<float>(), p.size(), p.begin());
  return p;
}

}  // namespace fastsag::model
