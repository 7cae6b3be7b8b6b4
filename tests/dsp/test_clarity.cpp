#include "dsp/clarity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "dsp/spectrogram.h"

namespace fastsag::dsp {
namespace {

double time_of(size_t sample) { return static_cast<double>(sample) / kFigureRate; }

// A steady tone of ten harmonics, with white noise of that amplitude.
std::vector<float> tone(double noise) {
  std::vector<float> wave(6 * kFigureRate);
  std::mt19937 random(1);
  std::normal_distribution<double> draw;
  for (size_t i = 0; i < wave.size(); ++i) {
    double x = noise * draw(random);
    for (int h = 1; h <= 10; ++h) x += 0.1 / h * std::sin(2 * std::numbers::pi * 220 * h * time_of(i));
    wave[i] = static_cast<float>(x);
  }
  return wave;
}

TEST(Clarity, NoiseTenDecibelsSofterIsTenDecibelsClearer) {
  // To a decibel: peaks of the noise count as tones. Far from 35 dB, what a window lets through beyond two bins.
  const double noisy = clarity(tone(0.1)).hnr, clearer = clarity(tone(0.1 * std::pow(10, -0.5))).hnr;
  EXPECT_NEAR(clearer - noisy, 10, 1);
  // Of white noise half is what stands out by chance.
  std::vector<float> noise(kFigureRate * 4);
  std::mt19937 random(1);
  std::normal_distribution<float> draw(0, 0.1f);
  for (float& x : noise) x = draw(random);
  EXPECT_LT(clarity(noise).hnr, 6);
  EXPECT_GT(noisy, 8);
}

TEST(Clarity, AttackIsHowMuchAFrameRises) {
  // Harmonics of a fundamental of which two periods are a hop: every frame is the last one, exp(growth hop) louder.
  constexpr double kHop_s = 256.0 / 24000;
  for (const double growth : {0.0, 2.0}) {
    std::vector<float> wave(3 * kFigureRate);
    for (size_t i = 0; i < wave.size(); ++i) {
      double x = 0;
      for (int h = 1; h <= 53; ++h)
        x += std::sin(2 * std::numbers::pi * h * (h * 0.37 + 2 / kHop_s * time_of(i)));  // phases apart: no peaks
      wave[i] = static_cast<float>(1e-4 * x * std::exp(growth * time_of(i)));
    }
    EXPECT_NEAR(clarity(wave).attack, growth * kHop_s, 0.001);
  }
}

TEST(Clarity, LevelDoesNotMatter) {
  std::vector<float> wave = tone(0.01);
  const Clarity loud = clarity(wave);
  for (float& x : wave) x /= 30;
  const Clarity soft = clarity(wave);
  EXPECT_NEAR(soft.hnr, loud.hnr, 1e-3);
  EXPECT_NEAR(soft.attack, loud.attack, 1e-3);
}

TEST(Clarity, SilenceAndShortSoundsHaveNone) {
  for (const size_t samples : {size_t{0}, size_t{100}, size_t{2 * kFigureRate}}) {
    const Clarity nothing = clarity(std::vector<float>(samples));
    EXPECT_TRUE(std::isnan(nothing.hnr)) << samples;
    EXPECT_TRUE(std::isnan(nothing.attack)) << samples;
  }
}

}  // namespace
}  // namespace fastsag::dsp
