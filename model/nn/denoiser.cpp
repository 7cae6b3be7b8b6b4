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

torch::Tensor DenoiserImpl::forward(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& mu,
                                    const torch::Tensor& c_noise) {
  const auto film = film_(torch::silu(level_(waves(c_noise)))).unsqueeze(1).chunk(2 * int64_t{kDilations.size()}, 2);
  torch::Tensor h = in_(torch::cat({x, mu}, 2));
  size_t part = 0;
  for (const auto& block : *blocks_) {
    if (mask.defined()) h = h * mask;
    h = block->as<TemporalBlock>()->forward(h, film[part], film[part + 1]);
    part += 2;
  }
  return out_(h);
}

torch::Tensor with_grain(const torch::Tensor& mu, const torch::Tensor& refined) {
  static const torch::Tensor kShare = [] {
    const auto basis = dsp::mel_basis();
    torch::Tensor share = torch::zeros({kBands});
    for (int64_t band = 0; band < kBands; ++band) {
      const auto row = basis.subspan(static_cast<size_t>(band * dsp::kMelBins), static_cast<size_t>(dsp::kMelBins));
      const auto top = std::ranges::max_element(row) - row.begin();
      const double hertz = static_cast<double>(top) * dsp::kMelSampleRate / dsp::kMelFft;
      share[band] = std::clamp((hertz - 2000) / 1000, 0., 1.);
    }
    return share;
  }();
  return mu + kShare.to(mu.device()) * (refined - mu);
}

}  // namespace fastsag::model
