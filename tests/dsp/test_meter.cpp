#include "dsp/meter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "dsp/error.h"
#include "tests/support/allocation_guard.h"

namespace fastsag::dsp {
namespace {

std::vector<float> sine(double hz, double amplitude, int rate, double seconds) {
  std::vector<float> samples(static_cast<size_t>(seconds * rate));
  for (size_t i = 0; i < samples.size(); ++i)
    samples[i] = static_cast<float>(amplitude * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / rate));
  return samples;
}

TEST(LevelMeter, SilenceIsTheFloor) {
  LevelMeter meter(48000);
  EXPECT_EQ(meter.peak_db(), kSilenceDb);
  meter.add(std::vector<float>(4800));
  EXPECT_EQ(meter.peak_db(), kSilenceDb);
  EXPECT_EQ(meter.rms_db(), kSilenceDb);
}

TEST(LevelMeter, ShowsPeakAndRmsOfASine) {
  for (const int rate : {24000, 48000}) {
    LevelMeter meter(rate);
    meter.add(sine(1000, 0.5, rate, 3));
    EXPECT_NEAR(meter.peak_db(), -6.02, 0.05);
    EXPECT_NEAR(meter.rms_db(), -9.03, 0.05) << "a sine's RMS is 3.01 dB below its peak";
  }
}

TEST(LevelMeter, PeakRisesAtOnceAndFallsAtTwentyDecibelsASecond) {
  LevelMeter meter(48000);
  meter.add(std::vector<float>{1.0f});
  EXPECT_NEAR(meter.peak_db(), 0, 0.01);
  meter.add(std::vector<float>(24000));
  EXPECT_NEAR(meter.peak_db(), -10, 0.1);
  meter.add(std::vector<float>(24000));
  EXPECT_NEAR(meter.peak_db(), -20, 0.2);
}

TEST(LevelMeter, ABadSampleDoesNotStick) {
  LevelMeter meter(48000);
  meter.add(std::vector<float>{std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()});
  EXPECT_EQ(meter.peak_db(), kSilenceDb);
}

TEST(LevelMeter, IsRealTimeSafe) {
  LevelMeter meter(48000);
  const std::vector<float> samples(480, 0.5f);
  test::RealTimeScope scope("level meter");
  for (int i = 0; i < 20; ++i) meter.add(samples);
}

// EBU Tech 3341, case 1: 1 kHz at -23 dBFS on both of two channels is -23.0 LUFS; on one channel 3.01 less.
TEST(LoudnessMeter, MeetsTheReferenceSine) {
  LoudnessMeter meter(48000);
  meter.add(sine(1000, std::pow(10, -23.0 / 20), 48000, 20));
  EXPECT_NEAR(meter.integrated_lufs(), -26.01, 0.1);
  EXPECT_NEAR(meter.short_term_lufs(), -26.01, 0.1);
  EXPECT_NEAR(meter.momentary_lufs(), -26.01, 0.1);
}

TEST(LoudnessMeter, SilenceIsTheFloorAndDoesNotCount) {
  LoudnessMeter meter(24000);
  EXPECT_EQ(meter.integrated_lufs(), kSilenceDb);
  meter.add(std::vector<float>(24000 * 5));
  EXPECT_EQ(meter.integrated_lufs(), kSilenceDb);
  const auto tone = sine(1000, 0.1, 24000, 10);
  meter.add(tone);
  EXPECT_NEAR(meter.integrated_lufs(), loudness_lufs(tone, 24000), 0.3) << "the gate leaves the silence out";
}

TEST(LoudnessMeter, RefusesAnImpossibleRate) { EXPECT_THROW(LoudnessMeter(0), Error); }

}  // namespace
}  // namespace fastsag::dsp
