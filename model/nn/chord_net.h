#pragma once
// The chord net: which triad sounds in each beat, from what is sung and was sung up to a minute before: songs come back
// to their chords after 8, 16 or 32 beats. Every layer treats the twelve pitch classes alike (circulant over pitch
// class), so a song moved by a semitone gives the same chords moved by one.
//
// Shapes: pitches [batch, steps, 12, kPitchFeatures], scalars [batch, steps, kStepScalars] (model/lite/steps.h)
//         -> logits [batch, steps / kStepsPerBeat, 24], index root * 2 + (minor ? 1 : 0); kSongBeats at most.
// Threads: forward() of one instance from one thread at a time.
#include <torch/torch.h>

#include <memory>
#include <vector>

#include "dsp/pool.h"
#include "model/nn/dense.h"

namespace fastsag::model {

class ChordNetFast;

struct ChordNetOptions {
  int64_t channels = 16;  // a pitch class
  int64_t heads = 2;
  std::vector<int64_t> dilations = {1, 1, 2, 4, 1};  // in beats, one block each
};

// A linear map or convolution over steps between [12 x in] and [12 x out] whose weights depend on the distance of
// pitch classes only. Input and output [batch, steps, 12 * channels].
class CirculantImpl : public torch::nn::Module {
 public:
  CirculantImpl(int64_t in, int64_t out, int64_t kernel = 1, int64_t dilation = 1);
  torch::Tensor forward(const torch::Tensor& x);
  torch::Tensor matrix() const;  // [kernel * 12 * in][12 * out]
  torch::Tensor bias() const { return bias_.repeat({12}); }
  // Of frequency 0 .. 6 around the twelve, its cosines or sines: [kernel][in][out].
  torch::Tensor weight_at(int64_t frequency, bool sines) const;
  torch::Tensor bias_of_one() const { return bias_; }
  int64_t taps() const { return kernel_; }
  int64_t dilation() const { return dilation_; }

 private:
  int64_t in_, out_, kernel_, dilation_;
  torch::Tensor weight_;  // [kernel, 12 (interval), in, out]
  torch::Tensor bias_;    // [out]
  torch::Tensor order_;   // [12 * 12] which interval stands where in the dense matrix
};
TORCH_MODULE(Circulant);

// x + a gated convolution of it.
class GatedConvImpl : public torch::nn::Module {
  friend class ChordNetFast;

 public:
  GatedConvImpl(int64_t channels, int64_t dilation);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  Circulant conv_{nullptr}, mix_{nullptr};
};
TORCH_MODULE(GatedConv);

class ChordBlockImpl : public torch::nn::Module {
  friend class ChordNetFast;

 public:
  ChordBlockImpl(const ChordNetOptions& options, int64_t dilation);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  int64_t channels_, heads_;
  GatedConv conv_{nullptr};
  Circulant qkv_{nullptr}, join_{nullptr}, wide_{nullptr}, narrow_{nullptr};
  torch::Tensor distance_;  // [heads, 2 kSongBeats - 1] added to how well two beats match
};
TORCH_MODULE(ChordBlock);

class ChordNetImpl : public torch::nn::Module {
  friend class ChordNetFast;

 public:
  explicit ChordNetImpl(const ChordNetOptions& options = {});
  torch::Tensor forward(const torch::Tensor& pitches, const torch::Tensor& scalars);
  // Of one song of kSongSteps, [kSongBeats][kTriads].
  dsp::Pooled<float> probabilities(std::span<const float> pitches, std::span<const float> scalars);
  // For inference on the CPU: takes the weights as they are now, and probabilities() goes by packed ones
  // (chord_net_fast.h).
  void prepare(Precision precision);

 private:
  ChordNetOptions options_;
  Circulant enter_{nullptr}, gather_{nullptr}, leave_{nullptr};
  torch::nn::Linear scalars_{nullptr};
  GatedConv within_{nullptr};  // the beat
  torch::nn::ModuleList blocks_;
  std::shared_ptr<const ChordNetFast> fast_;
};
TORCH_MODULE(ChordNet);

}  // namespace fastsag::model
