#pragma once
// The chord net of chord_net.h for inference on the CPU. What is the same around the twelve pitch classes is a product
// of its own at each of their seven frequencies, a sixth of the work of one written out; attention needs no pitch
// classes at all. The same numbers, in another order of sums.
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
  // A circulant by frequencies: rows of [kSlots][2][channels] in and out (rows.h).
  struct Spectral {
    Spectral(const CirculantImpl& circulant, Precision precision);
    // Features of a slot in another order: told as a shape, seen in the order of these dimensions.
    struct Order {
      std::vector<int64_t> shape, dimensions;
    };
    Spectral(const CirculantImpl& circulant, Precision precision, const Order& in, const Order& out);
    void operator()(Workspace& workspace, const float* x, std::span<float> out) const;
    int64_t in, out, dilation;  // channels of a pitch class
    std::vector<Dense> slots;
  };
  // x + a gated convolution of it.
  struct Gated {
    Gated(const GatedConvImpl& gated, int64_t of_one, Precision precision);
    void operator()(Workspace& workspace, std::span<float> x) const;
    int64_t channels;  // of a pitch class
    Spectral conv, mix;
  };
  struct Block {
    Block(const ChordBlockImpl& block, Precision precision);
    void operator()(Workspace& workspace, std::span<float> x) const;
    void attend(Workspace& workspace, std::span<const float> qkv, std::span<float> seen) const;
    int64_t channels, heads;
    Gated conv;
    Spectral qkv, join, wide, narrow;  // a slot of qkv: [3][heads][2][part], of what join reads: [heads][2][part]
    std::vector<float> bias;           // [heads][beats][beats]
  };

  int64_t width_;
  Dense enter_, scalars_, gather_, leave_;
  Gated within_;
  std::vector<Block> blocks_;
};

}  // namespace fastsag::model
