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

struct BeatNetImpl::Fast {
  Dense enter, leave;
  std::vector<TemporalFast> blocks;
};

void BeatNetImpl::prepare(Precision precision) {
  auto fast = std::make_shared<Fast>(Fast{{enter_, precision, 3}, {leave_, precision}, {}});
  for (const auto& block : *blocks_) fast->blocks.push_back(block->as<TemporalBlock>()->fast(precision));
  fast_ = std::move(fast);
}

torch::Tensor BeatNetImpl::places(const torch::Tensor& features) {
  if (!fast_ || torch::GradMode::is_enabled() || features.size(0) != 1) {
    torch::Tensor x = enter_(neighbours(features, 1));
    for (const auto& block : *blocks_) x = block->as<TemporalBlock>()->forward(x);
    return leave_(x);
  }
  thread_local Workspace workspace;
  workspace.reset();
  const int64_t steps = features.size(1);
  const Margined seen(workspace, steps, kBeatFeatures, 1);
  std::copy_n(features.contiguous().const_data_ptr<float>(), seen.inner.size(), seen.inner.begin());
  const auto x = workspace.floats(steps * kChannels);
  fast_->enter(workspace, {seen.all.data(), steps, kBeatFeatures, kBeatFeatures}, x.data(), kChannels);
  for (const TemporalFast& block : fast_->blocks) block(workspace, x);
  torch::Tensor out = torch::empty({1, steps, kBarSteps});
  fast_->leave(workspace, x, {out.data_ptr<float>(), static_cast<size_t>(out.numel())});
  return out;
}

torch::Tensor BeatNetImpl::forward(const torch::Tensor& features) {
  const torch::Tensor said = places(features);
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
