#include "model/lite/vocoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "dsp/error.h"
#include "model/train/audio_parts.h"

namespace fastsag::model {
namespace {

constexpr int64_t kFrames = 120, kHop = 256;

// A chord that starts at a third, as mel frames 1000 .. 1119, and its wave.
struct Sound {
  torch::Tensor wave, mel;
};
Sound chord() {
  const torch::Tensor time = (torch::arange(kFrames * kHop + 768) - 10240) / 24000.0;
  torch::Tensor wave = torch::zeros_like(time);
  for (const double f0 : {220.0, 277.2, 329.6})
    for (int h = 1; h <= 5; ++h) wave += .06 / h * torch::sin(2 * M_PI * f0 * h * time);
  wave = wave * (time > 0) * torch::exp(-2 * time.clamp_min(0));
  return {wave.slice(0, 384, 384 + kFrames * kHop), spectra_of(wave.unsqueeze(0)).mel[0]};
}

// Trained for a moment on the very sound: enough that levels and pitches come out right.
LiteVocoder trained() {
  static const MagnitudeNet net = [] {
    torch::manual_seed(2);
    MagnitudeNet fresh;
    torch::optim::AdamW adam(fresh->parameters(), torch::optim::AdamWOptions(3e-3));
    const Sound sound = chord();
    const torch::Tensor padded =
        torch::nn::functional::pad(sound.wave, torch::nn::functional::PadFuncOptions({384, 384}));
    const Spectra spectra = spectra_of(padded.unsqueeze(0));
    for (int i = 0; i < 60; ++i) {
      adam.zero_grad();
      magnitude_loss(fresh->forward(spectra.mel), spectra.magnitude).backward();
      adam.step();
    }
    return fresh;
  }();
  return LiteVocoder(net);
}

double rms(std::span<const float> x) {
  return std::sqrt(std::inner_product(x.begin(), x.end(), x.begin(), 0.0) / static_cast<double>(x.size()));
}

TEST(LiteVocoder, GivesTheSpanThatWasAskedFor) {
  const LiteVocoder vocoder = trained();
  const torch::Tensor mel = chord().mel;
  const auto samples = vocoder.synthesize(mel, 1000, 1010 * kHop + 17, 1090 * kHop + 101);
  EXPECT_EQ(samples.size(), static_cast<size_t>(80 * kHop + 84));
  EXPECT_EQ(vocoder.synthesize(mel, 1000, 1010 * kHop, 1010 * kHop).size(), 0u);
}

TEST(LiteVocoder, LevelAndOnsetLieWhereTheMelHasThem) {
  const Sound sound = chord();
  const auto samples = trained().synthesize(sound.mel, 1000, 1000 * kHop, 1120 * kHop);
  // Silence up to sample 9856 of the span (10240 less the margin of 384), the chord after it. One window before the
  // onset all is quiet; past it the level is the original's within 2 dB.
  const std::span<const float> all(samples);
  const std::span<const float> truth(sound.wave.data_ptr<float>(), static_cast<size_t>(sound.wave.numel()));
  EXPECT_LT(rms(all.subspan(0, 9856 - 1024)), .02 * rms(truth));
  const double ratio = rms(all.subspan(9856 + 256, 12000)) / rms(truth.subspan(9856 + 256, 12000));
  EXPECT_NEAR(20 * std::log10(ratio), 0, 2);
}

TEST(LiteVocoder, ContinuesWhatWasPlayed) {
  const LiteVocoder vocoder = trained();
  const Sound sound = chord();
  const int64_t seam = 1070 * kHop + 50;
  const std::span<const float> played(sound.wave.data_ptr<float>(), static_cast<size_t>(seam - 1000 * kHop));
  const auto joined = vocoder.synthesize(sound.mel, 1000, seam - 2000, seam + 8000, {played, seam});
  for (size_t i = 0; i < 2000; ++i) ASSERT_EQ(joined[i], played[played.size() - 2000 + i]);  // the past's own samples
  // No step at the seam: the jump there is no larger than the largest one within the known past.
  double usual = 0;
  for (size_t i = 1; i < 2000; ++i) usual = std::max<double>(usual, std::abs(joined[i] - joined[i - 1]));
  EXPECT_LT(std::abs(joined[2000] - joined[1999]), 1.5 * usual);
  EXPECT_GT(rms(std::span(joined).subspan(2000, 4000)), .3 * rms(std::span(joined).subspan(0, 2000)));
}

TEST(LiteVocoder, TheSameBytesTwice) {
  const LiteVocoder vocoder = trained();
  const torch::Tensor mel = chord().mel;
  EXPECT_EQ(vocoder.synthesize(mel, 1000, 1030 * kHop, 1060 * kHop),
            vocoder.synthesize(mel, 1000, 1030 * kHop, 1060 * kHop));
}

TEST(LiteVocoder, NeedsNoMoreContextThanItSays) {
  const LiteVocoder vocoder = trained();
  const torch::Tensor mel = chord().mel;
  constexpr int64_t kContext = LiteVocoder::kContext;
  EXPECT_EQ(vocoder.synthesize(mel, 1000, 1050 * kHop, 1060 * kHop),
            vocoder.synthesize(mel.slice(0, 50 - kContext, 60 + kContext), 1050 - kContext, 1050 * kHop, 1060 * kHop));
}

TEST(LiteVocoder, SaysWhichSamplesAMelCannotGive) {
  const LiteVocoder vocoder = trained();
  const torch::Tensor mel = chord().mel;
  EXPECT_THROW(vocoder.synthesize(mel, 1000, 999 * kHop, 1060 * kHop), Error);
  EXPECT_THROW(vocoder.synthesize(mel, 1000, 1050 * kHop, 1120 * kHop + 1), Error);
}

}  // namespace
}  // namespace fastsag::model
