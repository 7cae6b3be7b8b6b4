#include "dsp/crossfade.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>
#include <vector>

#include "tests/support/allocation_guard.h"

namespace fastsag::dsp {
namespace {

std::vector<float> noise(std::mt19937& random, size_t size) {
  std::normal_distribution<float> normal(0, 0.2f);
  std::vector<float> samples(size);
  for (float& sample : samples) sample = normal(random);
  return samples;
}

double power(std::span<const float> samples) {
  double sum = 0;
  for (const float sample : samples) sum += static_cast<double>(sample) * sample;
  return sum / static_cast<double>(samples.size());
}

TEST(Crossfade, GainsKeepThePower) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> any_x(0, 1), any_rho(-0.5f, 1);
  for (int i = 0; i < 1000; ++i) {
    const float x = any_x(random), rho = any_rho(random);
    const auto [g1, g2] = crossfade_gains(x, rho);
    EXPECT_NEAR(g1 * g1 + g2 * g2 + 2 * rho * g1 * g2, 1, 1e-5) << "x " << x << " rho " << rho;
    EXPECT_GE(std::min(g1, g2), -1e-6f);
  }
}

TEST(Crossfade, GainsStayBoundedWhenTheTwoCancelOut) {
  for (float x = 0; x <= 1; x += 0.01f)
    for (const float rho : {-1.0f, -0.8f, -0.5f}) {
      const auto [g1, g2] = crossfade_gains(x, rho);
      EXPECT_LE(std::max(g1, g2), 1.155f) << "2 / sqrt(3), the bound at rho = -0.5";
    }
}

TEST(Crossfade, EqualSignalsPassUnchanged) {
  std::mt19937 random(2);
  const auto signal = noise(random, 720);
  std::vector<float> out(720);
  crossfade(signal, signal, out);
  for (size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], signal[i], 1e-6);
}

// Two noises that share any part of themselves: in the middle of the fade the level is neither lower nor higher.
TEST(Crossfade, PowerIsSteadyForAnyCorrelation) {
  std::mt19937 random(3);
  for (const float rho : {-0.4f, 0.0f, 0.3f, 0.7f, 0.95f}) {
    const size_t size = 48000;
    const auto a = noise(random, size);
    auto b = noise(random, size);
    for (size_t i = 0; i < size; ++i) b[i] = rho * a[i] + std::sqrt(1 - rho * rho) * b[i];
    EXPECT_NEAR(correlation(a, b), rho, 0.02);
    std::vector<float> out(size);
    crossfade(a, b, out);
    for (size_t part = 0; part < 8; ++part)
      EXPECT_NEAR(10 * std::log10(power(std::span(out).subspan(part * size / 8, size / 8)) / 0.04), 0, 0.35)
          << "rho " << rho << ", eighth " << part << ": dB; 4 sigma of the power of 6000 samples are 0.32";
  }
}

TEST(Crossfade, SilenceHasNoCorrelation) {
  std::mt19937 random(4);
  const std::vector<float> silence(100);
  EXPECT_EQ(correlation(silence, noise(random, 100)), 0);
  EXPECT_EQ(correlation(silence, silence), 0);
}

TEST(Crossfade, WorksInPlaceAndIsRealTimeSafe) {
  std::mt19937 random(5);
  const auto a = noise(random, 500), b = noise(random, 500);
  std::vector<float> apart(500), in_place = b;
  {
    test::RealTimeScope scope("crossfade");
    crossfade(a, b, apart);
    crossfade(a, in_place, in_place);
  }
  EXPECT_EQ(in_place, apart);
}

}  // namespace
}  // namespace fastsag::dsp
