#include "model/nn/denoiser.h"

#include <algorithm>
#include <array>
#include <numbers>

#include "dsp/mel.h"
#include "model/nn/temporal.h"

namespace fastsag::model {
namespace {

constexpr int64_t kBands = dsp::kMelBands, kChannels = 160, kWaves = 16, kLevel = 64;
constexpr std::array<int64_t, 5> kDilations = {1, 2, 4, 8, 1};

// c_noise spans about -2 .. 1: waves from half a turn over that range up to a few turns.
torch::Tensor waves(const torch::Tensor& c_noise) {
  const torch::Tensor turns = torch::logspace(-1, 1, kWaves, 10, c_noise.options()) * std::numbers::pi;
  const torch::Tensor angle = c_noise.unsqueeze(1) * turns;
  return torch::cat({angle.sin(), angle.cos()}, 1);
}

}  // namespace

DenoiserImpl::DenoiserImpl()
    : in_(register_module("in", torch::nn::Linear(2 * kBands, kChannels))),
      level_(register_module("level", torch::nn::Linear(2 * kWaves, kLevel))),
      film_(register_module("film", torch::nn::Linear(kLevel, 2 * kChannels * int64_t{kDilations.size()}))),
      out_(register_module("out", torch::nn::Linear(kChannels, kBands))) {
  for (const int64_t dilation : kDilations) blocks_->push_back(TemporalBlock(kChannels, dilation));
  register_module("blocks", blocks_);
  torch::NoGradGuard frozen;
  out_->weight.zero_();  // starts as D = mu + c_skip (x - mu): the best answer of one who knows nothing
  out_->bias.zero_();
}

std::vector<torch::Tensor> DenoiserImpl::film(const torch::Tensor& c_noise) {
  return film_(torch::silu(level_(waves(c_noise)))).unsqueeze(1).chunk(2 * int64_t{kDilations.size()}, 2);
}

torch::Tensor DenoiserImpl::forward(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                                    const torch::Tensor& c_noise) {
  const std::vector<torch::Tensor> told = film(c_noise);
  torch::Tensor h = in_(torch::cat({x, mu}, 2));
  size_t part = 0;
  for (const auto& block : *blocks_) {
    if (mask.defined()) h = h * mask;
    h = block->as<TemporalBlock>()->forward(h, told[part], told[part + 1]);
    part += 2;
  }
  return out_(h);
}

std::span<const float> grain_share() {
  static const std::array<float, kBands> kShare = [] {
    std::array<float, kBands> share{};
    const auto basis = dsp::mel_basis();
    for (int64_t band = 0; band < kBands; ++band) {
      const auto row = basis.subspan(static_cast<size_t>(band * dsp::kMelBins), static_cast<size_t>(dsp::kMelBins));
      const auto top = std::ranges::max_element(row) - row.begin();
      const double hertz = static_cast<double>(top) * dsp::kMelSampleRate / dsp::kMelFft;
      share[static_cast<size_t>(band)] = static_cast<float>(std::clamp((hertz - 2000) / 1000, 0., 1.));
    }
    return share;
  }();
  return kShare;
}

torch::Tensor with_grain(const torch::Tensor& mu, const torch::Tensor& refined) {
  const auto share = grain_share();
  return mu + torch::tensor(torch::ArrayRef<float>(share.data(), share.size())).to(mu.device()) * (refined - mu);
}

DenoiserWalk::DenoiserWalk(Denoiser net, const EdmOptions& options, Precision precision, std::span<const float> share)
    : in_(net->in_, precision), out_(net->out_, precision), share_(share.begin(), share.end()) {
  const torch::NoGradGuard no_gradients;
  const torch::Tensor levels = edm_scale(options).noise.to(torch::kFloat);
  for (const cuda::EdmRow& row : edm_rows(options)) steps_.push_back({row, {}});
  for (size_t i = 0; i + 1 < steps_.size(); ++i)
    for (const torch::Tensor& row : net->film(levels.narrow(0, static_cast<int64_t>(i), 1)))
      steps_[i].film.push_back(floats_of(row));
  for (const auto& block : *net->blocks_) blocks_.push_back(block->as<TemporalBlock>()->fast(precision));
}

void DenoiserWalk::operator()(std::span<float> mel, std::span<const float> noise) const {
  thread_local Workspace workspace;
  workspace.reset();
  const int64_t frames = std::ssize(mel) / kBands;
  const auto rest = workspace.floats(frames * kBands), raw = workspace.zeros(frames * kBands),
             seen = workspace.floats(frames * 2 * kBands), h = workspace.floats(frames * kChannels);
  std::ranges::copy(noise, rest.begin());
  for (const Step& step : steps_) {
    for (size_t i = 0; i < rest.size(); ++i) rest[i] = rest[i] * step.row.of_x + raw[i] * step.row.of_raw;
    if (step.film.empty()) break;
    for (size_t frame = 0; frame < static_cast<size_t>(frames); ++frame)
      for (size_t band = 0; band < kBands; ++band) {
        seen[2 * frame * kBands + band] = rest[frame * kBands + band] * step.row.in;
        seen[(2 * frame + 1) * kBands + band] = mel[frame * kBands + band];
      }
    in_(workspace, seen, h);
    for (size_t block = 0; block < blocks_.size(); ++block)
      blocks_[block](workspace, h, step.film[2 * block], step.film[2 * block + 1]);
    out_(workspace, h, raw);
  }
  for (size_t i = 0; i < mel.size(); ++i) mel[i] += share_.empty() ? rest[i] : share_[i % kBands] * rest[i];
}

}  // namespace fastsag::model
