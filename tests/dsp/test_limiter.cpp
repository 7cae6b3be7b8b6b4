#include "dsp/limiter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

#include "tests/support/allocation_guard.h"

namespace fastsag::dsp {
namespace {

TEST(Limiter, CeilingIsMinusOneDecibel) { EXPECT_NEAR(20 * std::log10(Limiter::kCeiling), -1, 1e-6); }

// Noise, clicks, steps and values out of all reason, in blocks of any length: the ceiling holds for every sample.
TEST(Limiter, CeilingHoldsForEverySample) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> any(-1, 1);
  for (const int rate : {16000, 44100, 48000, 96000}) {
    Limiter limiter(rate);
    for (int block = 0; block < 200; ++block) {
      std::vector<float> samples(std::uniform_int_distribution<size_t>(0, 700)(random));
      const float level = std::pow(10.0f, 3 * any(random));  // 0.001 .. 1000
      for (float& sample : samples) sample = level * any(random);
      if (!samples.empty() && block % 5 == 0) samples[samples.size() / 2] = 1e30f;
      limiter.process(samples);
      for (const float sample : samples) ASSERT_LE(std::abs(sample), Limiter::kCeiling) << "block " << block;
    }
  }
}

// The clamp at the end is for rounding only: the gain alone brings every sample under the ceiling.
TEST(Limiter, TheGainIsLowEnoughBeforeAPeakComes) {
  std::mt19937 random(14);
  std::uniform_real_distribution<float> any(-1, 1);
  Limiter limiter(48000);
  std::vector<float> in(30000);
  for (float& sample : in) sample = any(random) * (any(random) > 0.99f ? 50.0f : 1.0f);  // a peak every 200 samples
  const auto latency = static_cast<size_t>(limiter.latency_samples());
  for (size_t i = 0; i < in.size(); ++i) {
    float sample = in[i];
    limiter.process({&sample, 1});
    const float was = i < latency ? 0 : in[i - latency];
    ASSERT_LE(std::abs(was * limiter.gain()), Limiter::kCeiling * 1.00001f) << i;
  }
}

// A sine of twice full scale stays a sine.
TEST(Limiter, LowersPeaksInsteadOfClippingThem) {
  Limiter limiter(48000);
  std::vector<float> in(48000);
  for (size_t i = 0; i < in.size(); ++i)
    in[i] = 2 * std::sin(2 * std::numbers::pi_v<float> * 440 * static_cast<float>(i) / 48000);
  auto out = in;
  limiter.process(out);
  const auto latency = static_cast<size_t>(limiter.latency_samples());
  EXPECT_EQ(latency, 240u) << "5 ms";
  float lowest = 1, highest = 0;  // gains over the last half, where it has settled
  for (size_t i = in.size() / 2; i < in.size(); ++i) {
    if (std::abs(in[i - latency]) < 0.5f) continue;
    const float gain = out[i] / in[i - latency];
    lowest = std::min(lowest, gain);
    highest = std::max(highest, gain);
  }
  EXPECT_NEAR(lowest, Limiter::kCeiling / 2, 0.01);
  EXPECT_LT(highest / lowest, 1.02) << "a clipped sine would show gains from 0.45 to 1";
}

TEST(Limiter, WhatIsBelowTheCeilingOnlyComesLater) {
  std::mt19937 random(12);
  std::uniform_real_distribution<float> any(-0.89f, 0.89f);
  Limiter limiter(24000);
  std::vector<float> in(5000);
  for (float& sample : in) sample = any(random);
  auto out = in;
  limiter.process(out);
  const auto latency = static_cast<size_t>(limiter.latency_samples());
  for (size_t i = 0; i < in.size(); ++i) ASSERT_EQ(out[i], i < latency ? 0 : in[i - latency]) << i;
}

TEST(Limiter, ComesBackAfterAPeak) {
  Limiter limiter(48000);
  std::vector<float> samples(48000, 0.1f);
  samples[0] = 10;
  limiter.process(samples);
  EXPECT_NEAR(samples[240], Limiter::kCeiling, 1e-4) << "the peak itself, 5 ms later";
  EXPECT_NEAR(limiter.gain(), 1, 1e-3) << "a second is ten release times";
  EXPECT_LT(samples[1000], 0.03f) << "16 ms after the peak it is still low: no pumping at audible rates";
}

TEST(Limiter, ABadSampleIsSilenceAndDoesNotStick) {
  Limiter limiter(48000);
  std::vector<float> samples(2000, 0.25f);
  samples[100] = std::numeric_limits<float>::quiet_NaN();
  samples[101] = std::numeric_limits<float>::infinity();
  limiter.process(samples);
  EXPECT_EQ(samples[340], 0);
  EXPECT_EQ(samples[341], 0);
  EXPECT_EQ(samples[342], 0.25f);
}

TEST(Limiter, BlocksDoNotMatter) {
  std::mt19937 random(13);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> whole(10000);
  for (float& sample : whole) sample = normal(random);
  auto parts = whole;
  Limiter one(48000), other(48000);
  one.process(whole);
  for (size_t at = 0; at < parts.size();) {
    const size_t count = std::min(parts.size() - at, std::uniform_int_distribution<size_t>(1, 300)(random));
    other.process(std::span(parts).subspan(at, count));
    at += count;
  }
  EXPECT_EQ(whole, parts);
}

TEST(Limiter, IsRealTimeSafe) {
  Limiter limiter(48000);
  std::vector<float> samples(480, 3.0f);
  test::RealTimeScope scope("limiter");
  for (int i = 0; i < 50; ++i) limiter.process(samples);
}

}  // namespace
}  // namespace fastsag::dsp
