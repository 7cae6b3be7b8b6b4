#pragma once
// The 1-D networks for inference on the CPU: those of temporal.h, note_renderer.h, denoiser.h and magnitude_net.h with
// packed weights and loops of our own. The same numbers, in another order of sums; nothing is allocated but by the
// Workspace. test_row_nets.cpp holds each to its module.
//
// Shapes: rows (frames or steps) of channels. Threads: as dense.h.
#include <array>
#include <functional>
#include <vector>

#include "model/nn/dense.h"

namespace fastsag::model {

class TemporalFast {
 public:
  struct Parts {
    torch::nn::LayerNorm conv_norm, ffn_norm;
    torch::nn::Linear conv, up, down;
    int64_t dilation;
  };
  TemporalFast(const Parts& parts, Precision precision);
  // In place. Scale and shift of the normalised input, [channels] each, or none.
  void operator()(Workspace& workspace, std::span<float> x, std::span<const float> scale = {},
                  std::span<const float> shift = {}) const;

 private:
  int64_t channels_, dilation_;
  Norm conv_norm_, ffn_norm_;
  Dense conv_, up_, down_;
};

// Depthwise convolution, LN, feed-forward, residual.
class ConvNextFast {
 public:
  struct Parts {
    torch::nn::Conv1d depthwise;
    torch::nn::LayerNorm norm;
    torch::nn::Linear up, down;
  };
  ConvNextFast(const Parts& parts, Precision precision);
  void operator()(Workspace& workspace, std::span<float> x) const;  // in place

 private:
  int64_t channels_, taps_;
  std::vector<float> weights_, bias_;  // [taps][channels]
  Norm norm_;
  Dense up_, down_;
};

// Rows with `margin` rows of zeros on both sides, for what looks at neighbours.
struct Margined {
  Margined(Workspace& workspace, int64_t rows, int64_t channels, int64_t margin)
      : all(workspace.floats((rows + 2 * margin) * channels)),
        inner(all.subspan(static_cast<size_t>(margin * channels), static_cast<size_t>(rows * channels))) {
    std::fill(all.begin(), all.begin() + margin * channels, 0.0f);
    std::fill(all.end() - margin * channels, all.end(), 0.0f);
  }
  std::span<float> all, inner;
};

}  // namespace fastsag::model
