#include "daemon/join_meter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace fastsag::daemon::join_meter_test {
namespace {

constexpr int kRate = 48000;

// Ten seconds of chords that fade, struck every 0.3 s; at every whole second something happens, or nothing.
JoinFigure measure(void (*at_join)(std::span<float> wave, int64_t position)) {
  std::vector<float> wave(10 * kRate);
  std::mt19937 random(7);
  std::normal_distribution<float> noise(0, 1e-3f);
  for (size_t i = 0; i < wave.size(); ++i) {
    const double t = static_cast<double>(i) / kRate, since = std::fmod(t, 0.3);
    for (const double hertz : {220.0, 277.2, 329.6, 880.0, 1760.0})
      wave[i] += static_cast<float>(0.05 * std::exp(-4 * since) * std::sin(2 * M_PI * hertz * t));
    wave[i] += noise(random);
  }
  JoinMeter meter(kRate);
  for (int64_t second = 1; second < 10; ++second) {
    at_join(wave, second * kRate);
    meter.join(second * kRate);
  }
  for (size_t i = 0; i < wave.size(); i += 960) meter.add(std::span(wave).subspan(i, 960));
  return meter.figure();
}

TEST(JoinMeter, JoinsThatAreNotThereAreNotHeard) {
  const auto figure = measure([](std::span<float>, int64_t) {});
  EXPECT_EQ(figure.joins, 9);
  EXPECT_GT(figure.elsewhere, 0);
  EXPECT_LT(figure.ratio(), 1.3) << "the wave does nothing special there";
}

TEST(JoinMeter, ClicksAndHolesAreHeard) {
  const auto clicks = measure([](std::span<float> wave, int64_t p) { wave[static_cast<size_t>(p)] += 0.5f; });
  EXPECT_GT(clicks.ratio(), 1.5);
  const auto holes = measure([](std::span<float> wave, int64_t p) {
    for (size_t i = 0; i < kRate / 50; ++i) wave[static_cast<size_t>(p) + i] = 0;
  });
  EXPECT_GT(holes.ratio(), 1.5);
}

TEST(JoinMeter, SilenceHasNoJoins) {
  JoinMeter meter(kRate);
  meter.add(std::vector<float>(3 * kRate));
  meter.join(kRate);
  const auto figure = meter.figure();
  EXPECT_EQ(figure.joins, 0);
  EXPECT_EQ(figure.ratio(), 0);
}

}  // namespace
}  // namespace fastsag::daemon::join_meter_test
