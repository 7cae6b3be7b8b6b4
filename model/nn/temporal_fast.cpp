#include "model/nn/temporal_fast.h"

namespace fastsag::model {

TemporalFast::TemporalFast(const Parts& parts, Precision precision)
    : channels_(parts.down->weight.size(0)),
      dilation_(parts.dilation),
      conv_norm_(parts.conv_norm),
      ffn_norm_(parts.ffn_norm),
      conv_(parts.conv, precision, 3),
      up_(parts.up, precision),
      down_(parts.down, precision) {}

void TemporalFast::operator()(Workspace& workspace, std::span<float> x, std::span<const float> scale,
                              std::span<const float> shift) const {
  const Workspace::Scope scope(workspace);
  const int64_t rows = std::ssize(x) / channels_;
  const Margined seen(workspace, rows, channels_, dilation_);
  std::span<const float> gain = conv_norm_.gain, offset = conv_norm_.shift;
  if (!scale.empty()) {
    const auto own_gain = workspace.floats(channels_), own_shift = workspace.floats(channels_);
    for (size_t c = 0; c < scale.size(); ++c) {
      own_gain[c] = gain[c] * (1 + scale[c]);
      own_shift[c] = offset[c] * (1 + scale[c]) + shift[c];
    }
    gain = own_gain, offset = own_shift;
  }
  row_loops().norm({x.data(), seen.inner.data(), rows, channels_, channels_, channels_, gain.data(), offset.data()});
  conv_(workspace, {seen.all.data(), rows, channels_, dilation_ * channels_}, x.data(), channels_, Then::add_silu);
  ffn_norm_(x, seen.inner);
  const auto wide = workspace.floats(rows * up_.outputs());
  up_(workspace, seen.inner, wide, Then::silu);
  down_(workspace, wide, x, Then::add);
}

ConvNextFast::ConvNextFast(const Parts& parts, Precision precision)
    : channels_(parts.depthwise->weight.size(0)),
      taps_(parts.depthwise->weight.size(2)),
      weights_(floats_of(parts.depthwise->weight.permute({2, 1, 0}))),
      bias_(floats_of(parts.depthwise->bias)),
      norm_(parts.norm),
      up_(parts.up, precision),
      down_(parts.down, precision) {}

void ConvNextFast::operator()(Workspace& workspace, std::span<float> x) const {
  const Workspace::Scope scope(workspace);
  const int64_t rows = std::ssize(x) / channels_;
  const Margined seen(workspace, rows, channels_, taps_ / 2);
  std::ranges::copy(x, seen.inner.begin());
  const auto mixed = workspace.floats(rows * channels_);
  row_loops().depthwise(
      {seen.all.data(), mixed.data(), rows, channels_, channels_, taps_, weights_.data(), bias_.data()});
  norm_(mixed, mixed);
  const auto wide = workspace.floats(rows * up_.outputs());
  up_(workspace, mixed, wide, Then::silu);
  down_(workspace, wide, x, Then::add);
}

}  // namespace fastsag::model
