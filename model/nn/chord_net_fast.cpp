#include "model/nn/chord_net_fast.h"

#include <cmath>

#include "model/lite/steps.h"
#include "model/nn/temporal_fast.h"

namespace fastsag::model {
namespace {

using torch::Tensor;

Dense dense_of(const Circulant& c, Precision precision) { return {c->matrix(), c->bias(), precision, c->taps()}; }

void normalise(std::span<const float> x, std::span<float> out, int64_t width) {
  row_loops().norm({x.data(), out.data(), std::ssize(x) / width, width, width, width, nullptr, nullptr});
}

void to_frequencies(std::span<const float> x, float* out, int64_t channels) {
  row_loops().to_frequencies({x.data(), out, std::ssize(x) / (12 * channels), channels, Then::store});
}
void from_frequencies(std::span<const float> x, float* out, int64_t channels, Then then = Then::store) {
  row_loops().from_frequencies({x.data(), out, std::ssize(x) / (12 * channels), channels, then});
}

}  // namespace

ChordNetFast::Spectral::Spectral(const CirculantImpl& c, Precision precision) : Spectral(c, precision, {}, {}) {}

ChordNetFast::Spectral::Spectral(const CirculantImpl& c, Precision precision, const Order& in_order,
                                 const Order& out_order)
    : dilation(c.dilation()) {
  const auto ordered = [](const Tensor& x, int64_t dimension, const Order& order) {
    if (order.shape.empty()) return x;
    const Tensor places = torch::arange(x.size(dimension)).view(order.shape).permute(order.dimensions).flatten();
    return x.index_select(dimension, places);
  };
  const Tensor bias = c.bias_of_one(), none = torch::zeros_like(bias);
  for (int64_t slot = 0; slot < kSlots; ++slot) {
    const Tensor cosines = c.weight_at(slot, false), sines = c.weight_at(slot, true);
    const Tensor same = cosines, other = slot == 0 ? torch::zeros_like(cosines) : sines;
    const Tensor last = slot == 0 ? c.weight_at(6, false) : cosines;
    Tensor w = torch::cat({torch::cat({same, other}, 2), torch::cat({-other, last}, 2)}, 1);  // [taps][2 in][2 out]
    in = same.size(1), out = same.size(2);
    w = ordered(ordered(w, 1, in_order), 2, out_order);
    // What all twelve have is sqrt(12) of it at frequency 0.
    const Tensor shift = ordered(torch::cat({slot == 0 ? bias * std::sqrt(12.) : none, none}), 0, out_order);
    slots.emplace_back(w.reshape({-1, w.size(2)}), shift, precision, c.taps());
  }
}

void ChordNetFast::Spectral::operator()(Workspace& workspace, const float* x, std::span<float> made) const {
  const int64_t stride = 12 * in, out_stride = 12 * out, rows = std::ssize(made) / out_stride;
  for (int64_t slot = 0; slot < kSlots; ++slot)
    slots[static_cast<size_t>(slot)](workspace, {x + slot * 2 * in, rows, stride, dilation * stride},
                                     made.data() + slot * 2 * out, out_stride);
}

ChordNetFast::Gated::Gated(const GatedConvImpl& gated, int64_t of_one, Precision precision)
    : channels(of_one), conv(*gated.conv_, precision), mix(*gated.mix_, precision) {}

void ChordNetFast::Gated::operator()(Workspace& workspace, std::span<float> x) const {
  const Workspace::Scope scope(workspace);
  const int64_t width = 12 * channels, rows = std::ssize(x) / width;
  const Margined seen(workspace, rows, width, conv.dilation);
  const auto normed = workspace.floats(rows * width), made = workspace.floats(rows * 2 * width),
             gates = workspace.floats(rows * 2 * width);
  normalise(x, normed, width);
  to_frequencies(normed, seen.inner.data(), channels);
  conv(workspace, seen.all.data(), made);
  from_frequencies(made, gates.data(), 2 * channels);
  for (int64_t i = 0; i < rows * 12; ++i)
    row_loops().gate(gates.data() + i * 2 * channels, normed.data() + i * channels, channels);
  to_frequencies(normed, seen.inner.data(), channels);
  const auto mixed = made.first(normed.size());
  mix(workspace, seen.inner.data(), mixed);
  from_frequencies(mixed, x.data(), channels, Then::add);
}

ChordNetFast::Block::Block(const ChordBlockImpl& block, Precision precision)
    : channels(block.channels_),
      heads(block.heads_),
      conv(*block.conv_, channels, precision),
      qkv(*block.qkv_, precision, {}, {{2, 3, heads, channels / heads}, {1, 2, 0, 3}}),
      join(*block.join_, precision, {{2, heads, channels / heads}, {1, 0, 2}}, {}),
      wide(*block.wide_, precision),
      narrow(*block.narrow_, precision) {
  const auto place = torch::arange(int64_t{kSongBeats});
  const Tensor apart = place.unsqueeze(0) - place.unsqueeze(1) + (kSongBeats - 1);
  bias = floats_of(block.distance_.index_select(1, apart.flatten()));
}

// How well two beats match is the same by frequencies as by pitch classes, and what is seen is a sum of rows.
void ChordNetFast::Block::attend(Workspace& workspace, std::span<const float> all, std::span<float> seen) const {
  const Workspace::Scope scope(workspace);
  const int64_t width = 12 * channels, beats = std::ssize(seen) / width, part = width / heads, piece = part / kSlots;
  const int64_t keys = whole_blocks(beats);
  const auto q = workspace.floats(beats * part), v = workspace.floats(beats * part),
             made = workspace.floats(beats * part), beside = workspace.floats(part * keys),
             scores = workspace.floats(kQueryTile * keys);
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t beat = 0; beat < beats; ++beat)
      for (int64_t slot = 0; slot < kSlots; ++slot) {
        const float* const own = all.data() + (beat * kSlots + slot) * 3 * heads * piece + head * piece;
        const int64_t at = beat * part + slot * piece;
        std::copy_n(own, piece, q.data() + at);
        std::copy_n(own + 2 * heads * piece, piece, v.data() + at);
        for (int64_t i = 0; i < piece; ++i) beside[key_place(beat, slot * piece + i, part)] = own[heads * piece + i];
      }
    row_loops().attend({q.data(), beside.data(), v.data(), made.data(), beats, beats, part, part, part, part,
                        1 / std::sqrt(static_cast<float>(part)), bias.data() + head * beats * beats, scores.data()});
    for (int64_t i = 0; i < beats * kSlots; ++i)
      std::copy_n(made.data() + i * piece, piece, seen.data() + (i * heads + head) * piece);
  }
}

void ChordNetFast::Block::operator()(Workspace& workspace, std::span<float> x) const {
  const Workspace::Scope scope(workspace);
  conv(workspace, x);
  const auto normed = workspace.floats(std::ssize(x)), spectrum = workspace.floats(std::ssize(x)),
             all = workspace.floats(3 * std::ssize(x)), broad = workspace.floats(2 * std::ssize(x)),
             broad_spectrum = workspace.floats(2 * std::ssize(x));
  normalise(x, normed, 12 * channels);
  to_frequencies(normed, spectrum.data(), channels);
  qkv(workspace, spectrum.data(), all);
  attend(workspace, all, normed);
  join(workspace, normed.data(), spectrum);
  from_frequencies(spectrum, x.data(), channels, Then::add);

  normalise(x, normed, 12 * channels);
  to_frequencies(normed, spectrum.data(), channels);
  wide(workspace, spectrum.data(), broad_spectrum);
  from_frequencies(broad_spectrum, broad.data(), 2 * channels, Then::silu);
  to_frequencies(broad, broad_spectrum.data(), 2 * channels);
  narrow(workspace, broad_spectrum.data(), spectrum);
  from_frequencies(spectrum, x.data(), channels, Then::add);
}

ChordNetFast::ChordNetFast(const ChordNetImpl& net, Precision precision)
    : width_(12 * net.options_.channels),
      enter_(dense_of(net.enter_, precision)),
      scalars_(net.scalars_->weight.t().repeat({1, 12}), net.scalars_->bias.repeat({12}), precision),
      // What a beat is gathered from lies step after step here.
      gather_(net.gather_->matrix()
                  .view({12, kStepsPerBeat, net.options_.channels, width_})
                  .transpose(0, 1)
                  .reshape({-1, width_}),
              net.gather_->bias(), precision),
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
