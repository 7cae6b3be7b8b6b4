#pragma once
// The chord net of chord_net.h for inference on the CPU: circulant weights written out once, features in the order in
// which they are read. The same numbers, in another order of sums.
//
// Shapes: as ChordNet, one song of kSongSteps steps. Threads: as dense.h.
#include <vector>

#include "model/nn/chord_net.h"
#include "model/nn/dense.h"

namespace fastsag::model {

class ChordNetFast {
 public:
  ChordNetFast(const ChordNetImpl& net, Precision precision);
  void operator()(std::span<const float> pitches, std::span<const float> scalars, std::span<float> logits) const;

 private:
  // x + a gated convolution of it; gates lie apart: [2][12][channels].
  struct Gated {
    Gated(const GatedConvImpl& conv, int64_t channels, Precision precision);
    void operator()(Workspace& workspace, std::span<float> x) const;
    int64_t width, dilation;
    Dense conv, mix;
  };
  struct Block {
    Block(const ChordBlockImpl& block, Precision precision);
    void operator()(Workspace& workspace, std::span<float> x) const;
    int64_t width, heads;
    Gated conv;
    Dense qkv, join, wide, narrow;  // qkv [3][heads][12][part], as join reads
    std::vector<float> bias;        // [heads][beats][beats]
  };

  int64_t width_;
  Dense enter_, scalars_, gather_, leave_;
  Gated within_;
  std::vector<Block> blocks_;
};

}  // namespace fastsag::model
