#include "model/nn/beat_net.h"

#include "model/lite/steps.h"

namespace fastsag::model {
namespace {

constexpr int64_t kChannels = 64;
constexpr double kIndependence = .2;  // steps that say the same have mostly heard the same

}  // namespace

BeatNetImpl::BeatNetImpl()
    : enter_(register_module("enter", torch::nn::Linear(3 * kBeatFeatures, kChannels))),
      blocks_(register_module("blocks", torch::nn::ModuleList())),
      leave_(register_module("leave", torch::nn::Linear(kChannels, kBarSteps))) {
  for (const int64_t dilation : {1, 2, 4, 8, 16}) blocks_->push_back(TemporalBlock(kChannels, dilation));
}

torch::Tensor BeatNetImpl::forward(const torch::Tensor& features) {
  torch::Tensor x = enter_(neighbours(features, 1));
  for (const auto& block : *blocks_) x = block->as<TemporalBlock>()->forward(x);
  const int64_t steps = features.size(1);
  const torch::Tensor known = features.select(2, kBeatKnown).unsqueeze(2);
  const torch::Tensor log_p = torch::log_softmax(leave_(x).to(torch::kFloat), 2) * known;
  // If step 0 is the k-th 16th, step t is the (k + t)-th.
  const auto whole = torch::TensorOptions().dtype(torch::kLong).device(features.device());
  const torch::Tensor place =
      (torch::arange(steps, whole).unsqueeze(1) + torch::arange(int64_t{kBarSteps}, whole)).remainder(kBarSteps);
  const torch::Tensor agreed = log_p.gather(2, place.expand({features.size(0), -1, -1})).sum(1);
  return torch::log_softmax(kIndependence * agreed, 1);
}

}  // namespace fastsag::model
