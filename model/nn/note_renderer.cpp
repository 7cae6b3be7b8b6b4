#include "model/nn/note_renderer.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "model/lite/roll.h"

namespace fastsag::model {
namespace {

using dsp::kMelBands;

constexpr double kTemplateGain = 15;
constexpr double kBackground = 2 * -11.0;  // ln power where nothing sounds
constexpr std::array<int64_t, 4> kDilations = {1, 2, 4, 8};

// Mel magnitudes of a plucked-string-like series on f0 at unit power, through the 1024-point Hann window.
std::array<double, kMelBands> harmonic_mel(double f0) {
  constexpr int kBins = dsp::kMelBins;
  constexpr double kBinHz = dsp::kMelSampleRate / dsp::kMelFft;
  const auto basis = dsp::mel_basis();
  std::array<double, kMelBands> mel{};
  for (int h = 1; h * f0 < 11800; ++h) {
    const double amplitude = 4 * std::pow(h, -1.4) * std::exp(-h * f0 / 4000), at = h * f0 / kBinHz;
    for (int bin = static_cast<int>(at) - 1; bin <= static_cast<int>(at) + 2; ++bin) {
      if (bin < 0 || bin >= kBins) continue;
      const double lobe = std::pow(std::cos((bin - at) * M_PI / 4), 2);
      for (size_t band = 0; band < kMelBands; ++band)
        mel[band] += amplitude * lobe * basis[band * kBins + static_cast<size_t>(bin)];
    }
  }
  return mel;
}

// ln power of every roll feature in every band, to start from: a harmonic series that swells over the onset, decays
// with age (higher keys faster) and is gone soon after the release.
torch::Tensor first_templates() {
  torch::Tensor all = torch::empty({kRollWidth, kMelBands});
  auto out = all.accessor<float, 2>();
  const auto ages = age_knots();
  for (int key = 0; key < kKeys; ++key) {
    const auto mel = harmonic_mel(440 * std::exp2((key + kFirstKey - 69) / 12.0));
    for (int feature = 0; feature < kKeyFeatures; ++feature) {
      double level;
      if (feature < kAgeHats)
        level = ages[static_cast<size_t>(feature)] < 0 ? -3.0 * (2 - feature)
                                                       : -2 * ages[static_cast<size_t>(feature)] * (.5 + key / 60.0);
      else
        level = -1.5 * (feature - kAgeHats + 1);
      for (int band = 0; band < kMelBands; ++band)
        out[key * kKeyFeatures + feature][band] =
            static_cast<float>(level + 2 * std::log(mel[static_cast<size_t>(band)] + 1e-4));
    }
  }
  return all;
}

}  // namespace

NoteRendererImpl::NoteRendererImpl(int64_t channels)
    : from_roll_(register_module("from_roll", torch::nn::Linear(kRollWidth, channels))),
      from_plain_(register_module("from_plain", torch::nn::Linear(kMelBands, channels))),
      to_mel_(register_module("to_mel", torch::nn::Linear(channels, kMelBands))) {
  templates_ = register_parameter("templates", first_templates() / kTemplateGain);
  background_ = register_parameter("background", torch::full({kMelBands}, kBackground / kTemplateGain));
  for (const int64_t dilation : kDilations) blocks_->push_back(TemporalBlock(channels, dilation));
  register_module("blocks", blocks_);
  torch::NoGradGuard frozen;
  to_mel_->weight.zero_();  // starts as the templates alone
  to_mel_->bias.zero_();
}

NoteRendererImpl::Output NoteRendererImpl::forward(const torch::Tensor& roll) {
  const torch::Tensor power = torch::matmul(roll, torch::exp(templates_ * kTemplateGain)).to(torch::kFloat);
  const torch::Tensor ln_mel = .5 * torch::log(power + torch::exp(background_ * kTemplateGain));
  const torch::Tensor plain = (ln_mel + 12) / 7 - 1;
  // Compressed, so that a soft note is seen beside a loud one.
  torch::Tensor x = from_roll_(roll.clamp_max(4).pow(.3)) + from_plain_(plain);
  for (const auto& block : *blocks_) x = block->as<TemporalBlock>()->forward(x);
  return {plain, plain + to_mel_(x)};
}

struct NoteRendererImpl::Fast {
  std::vector<float> templates, background;  // powers
  std::vector<float> from_roll;              // [kRollWidth][channels]
  std::vector<float> enter_bias;
  Dense from_plain, to_mel;
  std::vector<TemporalFast> blocks;
  int64_t channels;

  void operator()(Workspace& workspace, const float* roll, std::span<float> mel) const;
};

void NoteRendererImpl::prepare(Precision precision) {
  const torch::NoGradGuard no_gradients;
  auto fast = std::make_shared<Fast>(Fast{floats_of(torch::exp(templates_ * kTemplateGain)),
                                          floats_of(torch::exp(background_ * kTemplateGain)),
                                          floats_of(from_roll_->weight.t()),
                                          floats_of(from_roll_->bias),
                                          {from_plain_, precision},
                                          {to_mel_, precision},
                                          {},
                                          from_roll_->weight.size(0)});
  for (const auto& block : *blocks_) fast->blocks.push_back(block->as<TemporalBlock>()->fast(precision));
  fast_ = std::move(fast);
}

// mel: [frames][100], of one roll.
void NoteRendererImpl::Fast::operator()(Workspace& workspace, const float* roll, std::span<float> mel) const {
  const int64_t frames = std::ssize(mel) / kMelBands;
  const auto x = workspace.floats(frames * channels);
  for (int64_t frame = 0; frame < frames; ++frame, roll += kRollWidth) {
    float* const power = mel.data() + frame * kMelBands;
    float* const row = x.data() + frame * channels;
    std::ranges::copy(background, power);
    std::ranges::copy(enter_bias, row);
    for (int64_t feature = 0; feature < kRollWidth; ++feature) {
      if (roll[feature] == 0) continue;
      row_loops().add_row(power, templates.data() + feature * kMelBands, roll[feature], kMelBands);
      row_loops().add_row(row, from_roll.data() + feature * channels, std::pow(std::min(roll[feature], 4.f), .3f),
                          channels);
    }
    for (int64_t band = 0; band < kMelBands; ++band) power[band] = (.5f * std::log(power[band]) + 12) / 7 - 1;
  }
  from_plain(workspace, mel, x, Then::add);
  for (const TemporalFast& block : blocks) block(workspace, x);
  to_mel(workspace, x, mel, Then::add);
}

void NoteRendererImpl::mu(std::span<const float> roll, std::span<float> mel) {
  if (fast_) {
    thread_local Workspace workspace;
    workspace.reset();
    return (*fast_)(workspace, roll.data(), mel);
  }
  const torch::InferenceMode inference;
  const torch::Tensor seen =
      torch::from_blob(const_cast<float*>(roll.data()), {1, std::ssize(mel) / kMelBands, kRollWidth});
  const torch::Tensor made = forward(seen.to(templates_.device())).mu.to(torch::kCPU).contiguous();
  std::copy_n(made.const_data_ptr<float>(), mel.size(), mel.begin());
}

torch::Tensor mix_mels(const std::vector<torch::Tensor>& mels, const std::vector<double>& level_db) {
  torch::Tensor power;
  for (size_t i = 0; i < mels.size(); ++i) {
    const double nepers = level_db.at(i) / 20 * std::log(10);
    const torch::Tensor own = ((mels[i].to(torch::kFloat) + 1) * 14 - 24 + 2 * nepers).exp();
    power = power.defined() ? power + own : own;
  }
  return (.5 * power.log() + 12) / 7 - 1;
}

void mix_mels(std::span<const dsp::Pooled<float>> mels, std::span<const double> level_db, std::span<float> mix) {
  constexpr size_t kAtOnce = 256;
  std::array<float, kAtOnce> power, own;
  for (size_t begin = 0; begin < mix.size(); begin += kAtOnce) {
    const size_t count = std::min(kAtOnce, mix.size() - begin);
    power.fill(0);
    for (size_t i = 0; i < mels.size(); ++i) {
      const auto nepers = static_cast<float>(level_db[i] / 20 * std::log(10));
      for (size_t k = 0; k < count; ++k) own[k] = (mels[i][begin + k] + 1) * 14 - 24 + 2 * nepers;
      row_loops().exponential(own.data(), static_cast<int64_t>(count));
      for (size_t k = 0; k < count; ++k) power[k] += own[k];
    }
    for (size_t k = 0; k < count; ++k) mix[begin + k] = (.5f * std::log(power[k]) + 12) / 7 - 1;
  }
}

}  // namespace fastsag::model
