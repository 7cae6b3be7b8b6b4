#include "model/nn/magnitude_net.h"

#include <gtest/gtest.h>

#include <cmath>

#include "dsp/mel.h"
#include "model/train/audio_parts.h"

namespace fastsag::model {
namespace {

// Two seconds of harmonic tones, as [1][samples] with the margins that spectra_of expects.
torch::Tensor tones(int64_t frames) {
  const torch::Tensor time = torch::arange(frames * 256 + 768) / 24000.0;
  torch::Tensor wave = torch::zeros_like(time);
  for (const double f0 : {130.8, 164.8, 196.0, 440.0})
    for (int h = 1; h <= 8; ++h) wave += .05 / h * torch::sin(2 * M_PI * f0 * h * time + h);
  return wave.unsqueeze(0);
}

TEST(MagnitudeNet, TrainingSpectraAreTheFrontEndsOwn) {
  const torch::Tensor wave = tones(40);
  const Spectra spectra = spectra_of(wave);
  // Its frame k starts at sample 256 k - 384. Of a wave that starts 128 samples later that is 256 (k - 1) of ours.
  const std::vector<float> samples(wave.data_ptr<float>() + 128, wave.data_ptr<float>() + wave.numel());
  std::vector<float> mel = dsp::mel(samples);
  dsp::normalise(mel);
  const int64_t frames = static_cast<int64_t>(mel.size()) / dsp::kMelBands;
  const torch::Tensor reference = torch::from_blob(mel.data(), {dsp::kMelBands, frames}).t();
  const torch::Tensor difference = (spectra.mel[0].slice(0, 1, 30) - reference.slice(0, 2, 31)).abs();
  EXPECT_LT(difference.max().item<double>(), 1e-4);  // float32 rounding of the FFT; the mel floor is -.93
}

TEST(MagnitudeNet, StartsNearTheInterpolatedMel) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  MagnitudeNet net;
  net->eval();
  const Spectra spectra = spectra_of(tones(60));
  const torch::Tensor error = (net->forward(spectra.mel) - spectra.magnitude.log()).abs();
  // Bands are 34 Hz wide and bins 23: below 3 kHz interpolation alone is right to within a factor of e on average.
  EXPECT_LT(error.slice(2, 4, 128).mean().item<double>(), 1);
}

TEST(MagnitudeNet, SeesNoFurtherThanItSays) {
  torch::NoGradGuard no_grad;
  MagnitudeNet net;
  torch::Tensor mel = torch::rand({1, 80, 100}) - .8;
  const torch::Tensor before = net->forward(mel);
  mel.index_put_({0, 40}, .5);
  const torch::Tensor changed = (net->forward(mel) - before).abs().amax(2)[0];
  constexpr int64_t kReach = MagnitudeNetImpl::kReach;
  EXPECT_EQ(changed.slice(0, 0, 40 - kReach).max().item<double>(), 0);
  EXPECT_EQ(changed.slice(0, 41 + kReach, 80).max().item<double>(), 0);
  EXPECT_GT(changed[40 - kReach].item<double>(), 0);
}

TEST(MagnitudeNet, LossIsNothingForTheTruthAndGrowsWithTheError) {
  const torch::Tensor magnitude = spectra_of(tones(20)).magnitude;
  const torch::Tensor truth = magnitude.log();
  EXPECT_LT(magnitude_loss(truth, magnitude).item<double>(), 1e-4);
  // 1 dB everywhere = .115 neper: .115 at most from the logarithms, 2 * .122 from the shares.
  const double off = magnitude_loss(truth + .115, magnitude).item<double>();
  EXPECT_GT(off, 2 * .12);
  EXPECT_LT(off, .115 + 2 * .123 + .5 * .06 * magnitude.sqrt().mean().item<double>());
}

TEST(MagnitudeNet, LearnsTones) {
  torch::manual_seed(1);
  MagnitudeNet net;
  torch::optim::AdamW adam(net->parameters(), torch::optim::AdamWOptions(3e-3));
  const Spectra spectra = spectra_of(tones(64));
  double first = 0, last = 0;
  for (int i = 0; i < 40; ++i) {
    adam.zero_grad();
    const torch::Tensor loss = magnitude_loss(net->forward(spectra.mel), spectra.magnitude);
    loss.backward();
    adam.step();
    (i == 0 ? first : last) = loss.item<double>();
  }
  EXPECT_LT(last, .5 * first);  // a steady sound is learnt by heart; without gradients it would not move
}

}  // namespace
}  // namespace fastsag::model
