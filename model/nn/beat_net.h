#pragma once
// The beat net: where in a bar of four beats a sung line is, from when its notes begin, how long they last and whether
// they rise or fall. Every step says which 16th of the bar it thinks it is; together they say where the bar begins.
//
// Shapes: features [batch][steps][kBeatFeatures] (model/lite/steps.h) -> ln p [batch][kBarSteps], that step 0 is the
// k-th 16th of a bar. Threads: forward() of one instance from one thread at a time.
#include <torch/torch.h>

#include <array>
#include <memory>
#include <span>

#include "model/lite/steps.h"
#include "model/nn/temporal.h"

namespace fastsag::model {

class BeatNetImpl : public torch::nn::Module {
 public:
  BeatNetImpl();
  torch::Tensor forward(const torch::Tensor& features);
  // The same of one window, [steps][kBeatFeatures].
  std::array<float, kBarSteps> places(std::span<const float> features);
  // For inference on the CPU: takes the weights as they are now, and places() goes by packed ones.
  void prepare(Precision precision);

 private:
  torch::nn::Linear enter_;
  torch::nn::ModuleList blocks_;
  torch::nn::Linear leave_;
  struct Fast;
  std::shared_ptr<const Fast> fast_;
};
TORCH_MODULE(BeatNet);

}  // namespace fastsag::model
