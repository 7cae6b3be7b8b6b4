#include "model/nn/chord_net_fast.h"

#include <cmath>

#include "model/lite/steps.h"
#include "model/nn/temporal_fast.h"

namespace fastsag::model {
namespace {

using torch::Tensor;

Dense dense_of(const Circulant& c, Precision precision) { return {c->matrix(), c->bias(), precision, c->taps()}; }

// The same with columns (or, of `rows`, rows) in another order: seen as `shape`, then permuted.
Dense reordered(const Circulant& c, Precision precision, std::vector<int64_t> shape, std::vector<int64_t> order,
                bool rows = false) {
  const auto order_of = [&](const Tensor& x, int64_t fixed) {
    std::vector<int64_t> whole = shape, places = order;
    whole.insert(rows ? whole.end() : whole.begin(), fixed);
    if (!rows)
      for (int64_t& place : places) ++place;
    places.insert(rows ? places.end() : places.begin(), rows ? static_cast<int64_t>(shape.size()) : 0);
    return x.reshape(whole).permute(places).reshape({x.size(0), x.size(1)});
  };
  const Tensor matrix = c->matrix();
  const Tensor bias = rows ? c->bias() : order_of(c->bias().unsqueeze(0), 1).squeeze(0);
  return {order_of(matrix, matrix.size(rows ? 1 : 0)), bias, precision, c->taps()};
}

void normalise(std::span<const float> x, std::span<float> out, int64_t width) {
  row_loops().norm({x.data(), out.data(), std::ssize(x) / width, width, width, width, nullptr, nullptr});
}

}  // namespace

ChordNetFast::Gated::Gated(const GatedConvImpl& gated, int64_t channels, Precision precision)
    : width(12 * channels),
      dilation(gated.conv_->dilation()),
      conv(reordered(gated.conv_, precision, {12, 2, channels}, {1, 0, 2})),
      mix(dense_of(gated.mix_, precision)) {}

void ChordNetFast::Gated::operator()(Workspace& workspace, std::span<float> x) const {
  const int64_t rows = std::ssize(x) / width;
  const Margined seen(workspace, rows, width, dilation);
  normalise(x, seen.inner, width);
  const auto gates = workspace.floats(rows * 2 * width);
  conv(workspace, {seen.all.data(), rows, width, dilation * width}, gates.data(), 2 * width);
  for (int64_t row = 0; row < rows; ++row)
    row_loops().gate(gates.data() + row * 2 * width, seen.inner.data() + row * width, width);
  mix(workspace, seen.inner, x, Then::add);
}

ChordNetFast::Block::Block(const ChordBlockImpl& block, Precision precision)
    : width(12 * block.channels_),
      heads(block.heads_),
      conv(*block.conv_, block.channels_, precision),
      qkv(reordered(block.qkv_, precision, {12, 3, heads, block.channels_ / heads}, {1, 2, 0, 3})),
      join(reordered(block.join_, precision, {12, heads, block.channels_ / heads}, {1, 0, 2}, true)),
      wide(dense_of(block.wide_, precision)),
      narrow(dense_of(block.narrow_, precision)) {
  const auto place = torch::arange(int64_t{kSongBeats});
  const Tensor apart = place.unsqueeze(0) - place.unsqueeze(1) + (kSongBeats - 1);
  bias = floats_of(block.distance_.index_select(1, apart.flatten()));
}

void ChordNetFast::Block::operator()(Workspace& workspace, std::span<float> x) const {
  const int64_t beats = std::ssize(x) / width, part = width / heads;
  conv(workspace, x);
  const auto normed = workspace.floats(beats * width), all = workspace.floats(beats * 3 * width);
  const int64_t keys = (beats + kKeyMultiple - 1) / kKeyMultiple * kKeyMultiple;
  const auto beside = workspace.floats(part * keys), scores = workspace.floats(kQueryTile * keys);
  normalise(x, normed, width);
  qkv(workspace, normed, all);
  for (int64_t head = 0; head < heads; ++head) {
    const float* const q = all.data() + head * part;
    for (int64_t beat = 0; beat < beats; ++beat)
      for (int64_t c = 0; c < part; ++c) beside[c * keys + beat] = q[width + beat * 3 * width + c];
    row_loops().attend({q, beside.data(), q + 2 * width, normed.data() + head * part, beats, beats, part, 3 * width,
                        keys, 3 * width, width, 1 / std::sqrt(static_cast<float>(part)),
                        bias.data() + head * beats * beats, scores.data()});
  }
  join(workspace, normed, x, Then::add);
  normalise(x, normed, width);
  const auto broad = workspace.floats(beats * wide.outputs());
  wide(workspace, normed, broad, Then::silu);
  narrow(workspace, broad, x, Then::add);
}

ChordNetFast::ChordNetFast(const ChordNetImpl& net, Precision precision)
    : width_(12 * net.options_.channels),
      enter_(dense_of(net.enter_, precision)),
      scalars_(net.scalars_->weight.t().repeat({1, 12}), net.scalars_->bias.repeat({12}), precision),
      // What a beat is gathered from lies step after step here.
      gather_(reordered(net.gather_, precision, {12, kStepsPerBeat, net.options_.channels}, {1, 0, 2}, true)),
      leave_(dense_of(net.leave_, precision)),
      within_(*net.within_, net.options_.channels, precision) {
  const torch::NoGradGuard no_gradients;
  for (const auto& block : *net.blocks_) blocks_.emplace_back(*block->as<ChordBlock>(), precision);
}

void ChordNetFast::operator()(std::span<const float> pitches, std::span<const float> scalars,
                              std::span<float> logits) const {
  thread_local Workspace workspace;
  workspace.reset();
  const auto steps = workspace.floats(kSongSteps * width_), beats = workspace.floats(kSongBeats * width_);
  enter_(workspace, pitches, steps);
  scalars_(workspace, scalars, steps, Then::add);
  within_(workspace, steps);
  gather_(workspace, steps, beats);
  for (const Block& block : blocks_) block(workspace, beats);
  normalise(beats, beats, width_);
  leave_(workspace, beats, logits);
}

}  // namespace fastsag::model
