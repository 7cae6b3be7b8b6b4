#pragma once
// First half of the light vocoder: mel -> the linear magnitudes it was made from. Phase is not learnt; dsp/phase.h
// finds one.
//
// Shapes/units: mel [B][T][100], ln mel normalised as in the paper -> ln magnitude [B][T][513] of the unscaled
// STFT of dsp/phase.h (fft 1024, hop 256).
// prepare() gives it a faster way through the same numbers, which magnitudes() takes.
// Source: ConvNeXt block, Liu et al. 2022, as Siuzdak's Vocos (2023) uses it over time.
#include <torch/torch.h>

#include <memory>

#include "model/nn/temporal_fast.h"

namespace fastsag::model {

// Depthwise convolution over 7 frames, LN, feed-forward of 3 x channels, residual.
class ConvNextBlockImpl : public torch::nn::Module {
 public:
  explicit ConvNextBlockImpl(int64_t channels);
  torch::Tensor forward(const torch::Tensor& x);  // [B][T][channels]
  ConvNextFast fast(Precision precision) const { return {{depthwise_, norm_, up_, down_}, precision}; }

 private:
  torch::nn::Conv1d depthwise_;
  torch::nn::LayerNorm norm_;
  torch::nn::Linear up_, down_;
};
TORCH_MODULE(ConvNextBlock);

class MagnitudeNetImpl : public torch::nn::Module {
 public:
  MagnitudeNetImpl();
  torch::Tensor forward(const torch::Tensor& mel);

  // For inference on the CPU: takes the weights as they are now.
  void prepare(Precision precision);
  // mel [frames][100] -> magnitudes, not their logarithms, of the frames [first, first + count): [count][513]. They are
  // good until the workspace's next reset().
  std::span<const float> magnitudes(Workspace& workspace, std::span<const float> mel, int64_t first, int64_t count);

  // Frames on either side that a frame's magnitudes depend on.
  static constexpr int64_t kReach = 15;

 private:
  torch::Tensor spread_;  // [513][100]: each bin between the mel bands nearest to it
  torch::nn::Conv1d in_;
  torch::nn::ModuleList blocks_;
  torch::nn::LayerNorm norm_;
  torch::nn::Linear out_;
  struct Fast;
  std::shared_ptr<const Fast> fast_;
};
TORCH_MODULE(MagnitudeNet);

}  // namespace fastsag::model
