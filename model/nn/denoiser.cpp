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
  if (fast_ && !mask.defined() && !torch::GradMode::is_enabled()) return fast(x, mu, film);
  torch::Tensor h = in_(torch::cat({x, mu}, 2));
  size_t part = 0;
  for (const auto& block : *blocks_) {
    if (mask.defined()) h = h * mask;
    h = block->as<TemporalBlock>()->forward(h, film[part], film[part + 1]);
    part += 2;
  }
  return out_(h);
}

struct DenoiserImpl::Fast {
  Dense in, out;
  std::vector<TemporalFast> blocks;
};

void DenoiserImpl::prepare(Precision precision) {
  auto fast = std::make_shared<Fast>(Fast{{in_, precision}, {out_, precision}, {}});
  for (const auto& block : *blocks_) fast->blocks.push_back(block->as<TemporalBlock>()->fast(precision));
  fast_ = std::move(fast);
}

torch::Tensor DenoiserImpl::fast(const torch::Tensor& x, const torch::Tensor& mu,
                                 const std::vector<torch::Tensor>& film) const {
  thread_local Workspace workspace;
  const int64_t frames = x.size(1);
  const torch::Tensor both = torch::cat({x, mu}, 2).contiguous();
  torch::Tensor out = torch::empty({x.size(0), frames, kBands});
  for (int64_t b = 0; b < x.size(0); ++b) {
    workspace.reset();
    const auto h = workspace.floats(frames * kChannels);
    fast_->in(workspace, {both.const_data_ptr<float>() + b * frames * 2 * kBands, frames, 2 * kBands}, h.data(),
              kChannels);
    for (size_t block = 0; block < fast_->blocks.size(); ++block) {
      const std::vector<float> scale = floats_of(film[2 * block][b]), shift = floats_of(film[2 * block + 1][b]);
      fast_->blocks[block](workspace, h, scale, shift);
    }
    fast_->out(workspace, {h.data(), frames, kChannels}, out.data_ptr<float>() + b * frames * kBands, kBands);
  }
  return out;
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
