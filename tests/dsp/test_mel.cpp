// What holds for any mel front end of this shape; tests/parity/test_mel_parity.cpp has the reference's numbers.
#include "dsp/mel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

#include "dsp/error.h"

namespace fastsag::dsp {
namespace {

std::vector<float> noise(size_t samples, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 0.1f);
  std::vector<float> wave(samples);
  std::ranges::generate(wave, [&] { return normal(random); });
  return wave;
}

TEST(Mel, ASinePeaksInTheBandWhosePeakIsNearest) {
  // Centres of the lowest ten bands lie 33.6 Hz apart: a twentieth of Slaney's 50.27 mels, which end at 12 kHz.
  for (const int band : {2, 5, 9}) {
    const double hz = 33.18 * (band + 1);
    std::vector<float> wave(24000);
    for (size_t i = 0; i < wave.size(); ++i)
      wave[i] = static_cast<float>(0.5 * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / 24000));
    const std::vector<float> result = mel(wave);
    const int frames = mel_frames(24000), middle = frames / 2;
    int loudest = 0;
    for (int b = 0; b < kMelBands; ++b)
      if (result[b * frames + middle] > result[loudest * frames + middle]) loudest = b;
    EXPECT_EQ(loudest, band) << hz << " Hz";
  }
}

TEST(Mel, SilenceIsTheFloor) {
  const std::vector<float> result = mel(std::vector<float>(4096));
  ASSERT_EQ(result.size(), 100u * 16);
  for (const float value : result) ASSERT_FLOAT_EQ(value, std::log(1e-5f));
  EXPECT_NEAR(normalise(result[0]), -0.9304, 5e-5);  // REFERENCE.md, section 2
}

TEST(Mel, MovesWithTheWave) {
  const std::vector<float> wave = noise(256 * 60, 3);
  const std::vector<float> whole = mel(wave), later = mel(std::span(wave).subspan(256 * 7));
  // Frames 2 and 2 from the end on see the mirrored edge; in between the very same samples make the very same numbers.
  for (int band = 0; band < kMelBands; ++band)
    for (int k = 2; k < 51; ++k) ASSERT_EQ(later[band * 53 + k], whole[band * 60 + k + 7]) << band << " " << k;
}

TEST(Mel, HasAFrameForEvery256Samples) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 30; ++trial) {
    const size_t samples = std::uniform_int_distribution<size_t>(385, 5000)(random);
    EXPECT_EQ(mel(noise(samples, trial)).size(), kMelBands * (samples / 256)) << samples;
  }
  EXPECT_THROW(mel(noise(384, 1)), Error);
}

TEST(Mel, EveryBandHasUnitArea) {
  // Slaney's norm: the integral of each triangle over Hz is 1. Sampled every 23.4 Hz it is a coarse triangle: a band
  // from 40 on spans five bins and more, which sum to 1 within 4 % (measured 3.7).
  const auto basis = mel_basis();
  for (int band = 40; band < kMelBands; ++band) {
    double area = 0;
    for (int bin = 0; bin < kMelBins; ++bin) area += basis[band * kMelBins + bin] * 24000 / 1024;
    EXPECT_NEAR(area, 1, 0.04) << band;
  }
}

TEST(Mel, NormaliseAndBack) {
  std::vector<float> values = {-11.512925f, -5, 2};
  normalise(values);
  EXPECT_FLOAT_EQ(values[1], 0);  // what pads the model's width
  EXPECT_FLOAT_EQ(values[2], 1);
  denormalise(values);
  EXPECT_NEAR(values[0], -11.512925f, 2e-6);
}

TEST(Mel, MinmaxScaleReachesBothEnds) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::vector<float> wave = noise(1000, seed);
    for (float& x : wave) x = x * 0.01f + 0.3f;
    const auto highest = std::ranges::max_element(wave) - wave.begin(),
               lowest = std::ranges::min_element(wave) - wave.begin();
    minmax_scale(wave);
    EXPECT_FLOAT_EQ(wave[highest], 0.8f);
    EXPECT_FLOAT_EQ(wave[lowest], -0.8f);
  }
  std::vector<float> constant(10, 0.2f);
  minmax_scale(constant);  // where the reference divides by zero
  for (const float x : constant) EXPECT_EQ(x, 0);
}

}  // namespace
}  // namespace fastsag::dsp
