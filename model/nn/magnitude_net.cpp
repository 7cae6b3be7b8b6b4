#include "model/nn/magnitude_net.h"

#include <cmath>

#include "dsp/mel.h"

namespace fastsag::model {
namespace {

constexpr int64_t kChannels = 160, kBlocks = 4, kKernel = 7;

// From band energies to bins: mel / (sum of the band's weights) is the mean magnitude in the band; a bin's value is
// interpolated between the centres of the bands around it.
torch::Tensor mel_to_bins(torch::Tensor& offset) {
  const auto basis = dsp::mel_basis();
  torch::Tensor spread = torch::zeros({dsp::kMelBins, dsp::kMelBands});
  offset = torch::zeros({dsp::kMelBands});
  std::vector<double> centres;
  for (int band = 0; band < dsp::kMelBands; ++band) {
    double sum = 0, moment = 0;
    for (int bin = 0; bin < dsp::kMelBins; ++bin) {
      const double weight = basis[static_cast<size_t>(band * dsp::kMelBins + bin)];
      sum += weight;
      moment += weight * bin;
    }
    centres.push_back(moment / sum);
    offset[band] = -std::log(sum);
  }
  for (int bin = 0, above = 0; bin < dsp::kMelBins; ++bin) {
    while (above < dsp::kMelBands && centres[static_cast<size_t>(above)] < bin) ++above;
    if (above == 0 || above == dsp::kMelBands) {
      spread[bin][above == 0 ? 0 : dsp::kMelBands - 1] = 1;
      continue;
    }
    const double low = centres[static_cast<size_t>(above - 1)], high = centres[static_cast<size_t>(above)];
    spread[bin][above - 1] = (high - bin) / (high - low);
    spread[bin][above] = (bin - low) / (high - low);
  }
  return spread;
}

torch::nn::Conv1d over_time(int64_t from, int64_t to, int64_t groups) {
  return torch::nn::Conv1d(torch::nn::Conv1dOptions(from, to, kKernel).padding(kKernel / 2).groups(groups));
}

}  // namespace

ConvNextBlockImpl::ConvNextBlockImpl(int64_t channels)
    : depthwise_(register_module("depthwise", over_time(channels, channels, channels))),
      norm_(register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({channels})))),
      up_(register_module("up", torch::nn::Linear(channels, 3 * channels))),
      down_(register_module("down", torch::nn::Linear(3 * channels, channels))) {}

torch::Tensor ConvNextBlockImpl::forward(const torch::Tensor& x) {
  const torch::Tensor mixed = depthwise_(x.transpose(1, 2)).transpose(1, 2);
  return x + down_(torch::silu(up_(norm_(mixed))));
}

MagnitudeNetImpl::MagnitudeNetImpl()
    : in_(register_module("in", over_time(dsp::kMelBands, kChannels, 1))),
      norm_(register_module("norm", torch::nn::LayerNorm(torch::nn::LayerNormOptions({kChannels})))),
      out_(register_module("out", torch::nn::Linear(kChannels, dsp::kMelBins))) {
  for (int64_t i = 0; i < kBlocks; ++i) blocks_->push_back(ConvNextBlock(kChannels));
  register_module("blocks", blocks_);
  torch::Tensor offset;
  spread_ = mel_to_bins(offset);
  torch::NoGradGuard frozen;
  out_->weight.mul_(.1);  // starts near the interpolated mel
  out_->bias.copy_(torch::matmul(spread_, offset));
}

torch::Tensor MagnitudeNetImpl::forward(const torch::Tensor& mel) {
  torch::Tensor x = in_(mel.transpose(1, 2)).transpose(1, 2);
  for (const auto& block : *blocks_) x = block->as<ConvNextBlock>()->forward(x);
  const torch::Tensor ln_mel = (mel.to(torch::kFloat) + 1) * 7 - 12;
  return out_(norm_(x)) + torch::matmul(ln_mel, spread_.to(ln_mel.device()).t());
}

struct MagnitudeNetImpl::Fast {
  Dense in, out, from_mel;
  std::vector<ConvNextFast> blocks;
  Norm norm;
};

void MagnitudeNetImpl::prepare(Precision precision) {
  auto fast = std::make_shared<Fast>(Fast{{in_, precision},
                                          {out_, precision},
                                          // ln mel = 7 mel - 5 spread over the bins: floats, whose steps nobody hears.
                                          {7 * spread_.t(), -5 * spread_.sum(1), Precision::single},
                                          {},
                                          Norm(norm_)});
  for (const auto& block : *blocks_) fast->blocks.push_back(block->as<ConvNextBlock>()->fast(precision));
  fast_ = std::move(fast);
}

std::span<const float> MagnitudeNetImpl::magnitudes(Workspace& workspace, std::span<const float> mel, int64_t first,
                                                    int64_t count) {
  const int64_t frames = std::ssize(mel) / dsp::kMelBands;
  const auto out = workspace.floats(count * dsp::kMelBins);
  if (!fast_) {
    const torch::InferenceMode inference;
    const torch::Tensor all =
        forward(
            torch::from_blob(const_cast<float*>(mel.data()), {1, frames, dsp::kMelBands}).to(out_->weight.device()))[0]
            .slice(0, first, first + count);
    const torch::Tensor made = all.to(torch::kCPU, torch::kFloat).exp().contiguous();
    std::copy_n(made.const_data_ptr<float>(), out.size(), out.begin());
    return out;
  }
  const Margined seen(workspace, frames, dsp::kMelBands, kKernel / 2);
  std::ranges::copy(mel, seen.inner.begin());
  const auto x = workspace.floats(frames * kChannels);
  fast_->in(workspace, {seen.all.data(), frames, dsp::kMelBands, dsp::kMelBands}, x.data(), kChannels);
  for (const ConvNextFast& block : fast_->blocks) block(workspace, x);
  const auto wanted = x.subspan(static_cast<size_t>(first * kChannels), static_cast<size_t>(count * kChannels));
  fast_->norm(wanted, wanted);
  fast_->out(workspace, wanted, out);
  fast_->from_mel(workspace,
                  mel.subspan(static_cast<size_t>(first * dsp::kMelBands), static_cast<size_t>(count * dsp::kMelBands)),
                  out, Then::add);
  row_loops().exponential(out.data(), std::ssize(out));
  return out;
}

}  // namespace fastsag::model
