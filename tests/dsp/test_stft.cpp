#include "dsp/stft.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

namespace fastsag::dsp {
namespace {

std::vector<float> noise(size_t samples, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> wave(samples);
  std::ranges::generate(wave, [&] { return uniform(random); });
  return wave;
}

TEST(Stft, ReconstructsEveryWaveAwayFromItsEdges) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 40; ++trial) {
    const int size = 1 << std::uniform_int_distribution(6, 12)(random);
    const int hop = size / (1 << std::uniform_int_distribution(1, 3)(random));
    const std::vector<float> wave = noise(size + hop * std::uniform_int_distribution(8, 40)(random), trial);
    Stft stft(size, hop);
    const std::vector<float> back = stft.inverse(stft.forward(wave));
    ASSERT_EQ(back.size(), wave.size());
    // The outer quarter of the first and last window is too small to divide by without loss.
    float worst = 0;
    for (size_t i = size / 4; i < wave.size() - size / 4; ++i) worst = std::max(worst, std::abs(back[i] - wave[i]));
    // Two float transforms of values up to 1: some units in the last place (1.2e-7), more where the window is small.
    EXPECT_LT(worst, 5e-6f) << "size " << size << " hop " << hop;
  }
}

TEST(Stft, IsTheWindowedFourierTransformOfEachFrame) {
  constexpr int kSize = 64, kHop = 16;
  const std::vector<float> wave = noise(kSize + 3 * kHop, 7);
  Stft stft(kSize, kHop);
  const auto spectra = stft.forward(wave);
  ASSERT_EQ(spectra.size(), 4u * 33);
  for (int frame = 0; frame < 4; ++frame)
    for (int bin = 0; bin < 33; ++bin) {
      std::complex<double> sum = 0;
      for (int n = 0; n < kSize; ++n) {
        const double turn = 2 * std::numbers::pi * n / kSize;
        sum += std::polar(wave[frame * kHop + n] * (0.5 - 0.5 * std::cos(turn)), -turn * bin);
      }
      // Sums of 64 products below 1 in float.
      EXPECT_LT(std::abs(std::complex<double>(spectra[frame * 33 + bin]) - sum), 1e-5) << frame << " " << bin;
    }
}

TEST(Stft, CountsWholeFramesOnly) {
  const Stft stft(1024, 256);
  EXPECT_EQ(stft.frames(1023), 0);
  EXPECT_EQ(stft.frames(1024), 1);
  EXPECT_EQ(stft.frames(1279), 1);
  EXPECT_EQ(stft.frames(1280), 2);
  EXPECT_EQ(stft.samples(0), 0);
  for (int frames = 1; frames < 50; ++frames) EXPECT_EQ(stft.frames(stft.samples(frames)), frames);
}

TEST(Stft, PeriodicHannSumsToAConstantAtAQuarterHop) {
  const std::vector<float> window = periodic_hann(1024);
  EXPECT_EQ(window[0], 0);
  EXPECT_EQ(window[512], 1);
  for (int n = 0; n < 256; ++n)
    EXPECT_NEAR(window[n] + window[n + 256] + window[n + 512] + window[n + 768], 2,
                1e-6);  // a symmetric one misses by 1e-3
}

}  // namespace
}  // namespace fastsag::dsp
