#include "model/nn/beat_net.h"

#include <algorithm>
#include <cmath>

namespace fastsag::model {
namespace {

constexpr int64_t kChannels = 64;
constexpr double kIndependence = .2;  // steps that say the same have mostly heard the same

void log_softmax(std::span<float> x) {
  const float highest = *std::ranges::max_element(x);
  float sum = 0;
  for (const float value : x) sum += std::exp(value - highest);
  const float all = highest + std::log(sum);
  for (float& value : x) value -= all;
}

}  // namespace

BeatNetImpl::BeatNetImpl()
    : enter_(register_module("enter", torch::nn::Linear(3 * kBeatFeatures, kChannels))),
      blocks_(register_module("blocks", torch::nn::ModuleList())),
      leave_(register_module("leave", torch::nn::Linear(kChannels, kBarSteps))) {
  for (const int64_t dilation : {1, 2, 4, 8, 16}) blocks_->push_back(TemporalBlock(kChannels, dilation));
}

struct BeatNetImpl::Fast {
  Dense enter, leave;
  std::vector<TemporalFast> blocks;
};

void BeatNetImpl::prepare(Precision precision) {
  auto fast = std::make_shared<Fast>(Fast{{enter_, precision, 3}, {leave_, precision}, {}});
  for (const auto& block : *blocks_) fast->blocks.push_back(block->as<TemporalBlock>()->fast(precision));
  fast_ = std::move(fast);
}

std::array<float, kBarSteps> BeatNetImpl::places(std::span<const float> features) {
  const int64_t steps = std::ssize(features) / kBeatFeatures;
  std::array<float, kBarSteps> agreed{};
  if (!fast_) {
    const torch::InferenceMode inference;
    const torch::Tensor window = torch::from_blob(const_cast<float*>(features.data()), {1, steps, kBeatFeatures});
    const torch::Tensor log_p = forward(window.to(leave_->weight.device())).to(torch::kCPU).contiguous();
    std::copy_n(log_p.const_data_ptr<float>(), agreed.size(), agreed.begin());
    return agreed;
  }
  thread_local Workspace workspace;
  workspace.reset();
  const Margined seen(workspace, steps, kBeatFeatures, 1);
  std::ranges::copy(features, seen.inner.begin());
  const auto x = workspace.floats(steps * kChannels), said = workspace.floats(steps * kBarSteps);
  fast_->enter(workspace, {seen.all.data(), steps, kBeatFeatures, kBeatFeatures}, x.data(), kChannels);
  for (const TemporalFast& block : fast_->blocks) block(workspace, x);
  fast_->leave(workspace, x, said);
  for (int64_t step = 0; step < steps; ++step) {
    const float known = features[static_cast<size_t>(step * kBeatFeatures + kBeatKnown)];
    if (known == 0) continue;
    const auto own = said.subspan(static_cast<size_t>(step * kBarSteps), kBarSteps);
    log_softmax(own);
    // If step 0 is the k-th 16th, this one is the (k + step)-th.
    for (int64_t k = 0; k < kBarSteps; ++k)
      agreed[static_cast<size_t>(k)] += known * own[static_cast<size_t>((k + step) % kBarSteps)];
  }
  for (float& value : agreed) value *= static_cast<float>(kIndependence);
  log_softmax(agreed);
  return agreed;
}

torch::Tensor BeatNetImpl::forward(const torch::Tensor& features) {
  torch::Tensor x = enter_(neighbours(features, 1));
  for (const auto& block : *blocks_) x = block->as<TemporalBlock>()->forward(x);
  const torch::Tensor said = leave_(x);
  const int64_t steps = features.size(1);
  const torch::Tensor known = features.select(2, kBeatKnown).unsqueeze(2);
  const torch::Tensor log_p = torch::log_softmax(said.to(torch::kFloat), 2) * known;
  // If step 0 is the k-th 16th, step t is the (k + t)-th.
  const auto whole = torch::TensorOptions().dtype(torch::kLong).device(features.device());
  const torch::Tensor place =
      (torch::arange(steps, whole).unsqueeze(1) + torch::arange(int64_t{kBarSteps}, whole)).remainder(kBarSteps);
  const torch::Tensor agreed = log_p.gather(2, place.expand({features.size(0), -1, -1})).sum(1);
  return torch::log_softmax(kIndependence * agreed, 1);
}

}  // namespace fastsag::model
