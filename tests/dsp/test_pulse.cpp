#include "dsp/pulse.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tests/support/sung.h"

namespace fastsag::dsp {
namespace {

constexpr double kRate = 24000;

// A pop-like line in 16ths of a beat, two bars: where notes start.
constexpr int kLine[] = {0, 2, 3, 4, 6, 8, 11, 12, 14, 16, 18, 20, 22, 23, 24, 28};

std::vector<MelodyNote> line(double bpm, double first_beat_s, double seconds, double jitter_s = 0, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> gauss(0, 1);
  std::vector<MelodyNote> notes;
  for (int bar = 0;; bar += 2)
    for (const int step : kLine) {
      const double t = first_beat_s + (16 * bar + step) * 15 / bpm;
      if (t >= seconds) return notes;
      const auto onset = static_cast<int64_t>((t + jitter_s * gauss(random)) * kRate);
      notes.push_back({onset, onset + 2400, 60, 1});
    }
}

// Largest distance (s) of the true lines of the grid of `parts` a beat from the estimate's, over the window.
double grid_error(const PulseEstimate& pulse, double bpm, double first_beat_s, double seconds, int parts) {
  double worst = 0;
  for (double t = first_beat_s; t < seconds; t += 60 / bpm / parts) {
    const double x = (t * kRate - pulse.origin) / pulse.period * parts;
    worst = std::max(worst, std::abs(x - std::round(x)) * pulse.period / parts / kRate);
  }
  return worst;
}

TEST(Pulse, NothingHeardRunsFreeAt100) {
  const auto pulse = estimate_pulse(std::vector<float>(240000), {}, 48000);
  EXPECT_EQ(pulse.period, 14400);
  EXPECT_EQ(pulse.origin, 48000);
  EXPECT_EQ(pulse.confidence, 0);
}

TEST(Pulse, NothingHeardKeepsThePrevious) {
  const PulseEstimate before{13000, 1234.5, 0.7f};
  const auto pulse = estimate_pulse(std::vector<float>(240000), {}, 480000, before);
  EXPECT_EQ(pulse.period, before.period);
  EXPECT_EQ(pulse.origin, before.origin);
  EXPECT_EQ(pulse.confidence, before.confidence);
}

TEST(Pulse, FindsTempoAndBeat) {
  for (double bpm = 62; bpm <= 125; bpm += 7) {
    const auto pulse = estimate_pulse({}, line(bpm, 0.4, 10, 0.01), 0);
    EXPECT_LT(grid_error(pulse, bpm, 0.4, 10, 4), 0.03) << bpm << " bpm; a 16th may be off by what the singer is";
    EXPECT_GT(pulse.confidence, 0.3) << bpm;
  }
  const auto pulse = estimate_pulse({}, line(80, 0.4, 10, 0.01), 0);
  EXPECT_NEAR(pulse.period, 60.0 / 80 * kRate, 0.01 * pulse.period);
  EXPECT_LT(grid_error(pulse, 80, 0.4, 10, 1), 0.03) << "at a usual tempo the beat itself is found";
}

TEST(Pulse, ThreeSecondsGiveTheGrid) {
  int right = 0;
  for (unsigned seed = 0; seed < 20; ++seed)
    right += grid_error(estimate_pulse({}, line(80, 0.1, 3, 0.01, seed), 0), 80, 0.1, 3, 4) < 0.04;
  EXPECT_GE(right, 16) << "of 20";
}

TEST(Pulse, PositionsAreAbsolute) {
  auto notes = line(90, 0.2, 8, 0.01);
  const auto here = estimate_pulse({}, notes, 0);
  constexpr int64_t kFar = 24000LL * 86400;  // a day later
  for (MelodyNote& note : notes) note.onset += kFar, note.release += kFar;
  const auto there = estimate_pulse({}, notes, kFar);
  EXPECT_DOUBLE_EQ(there.period, here.period);
  EXPECT_NEAR(there.origin - static_cast<double>(kFar), here.origin, 1e-3);
}

// A singer at 84 bpm, windows of 10 s every second: once found, the grid must not jump and must not drift off.
TEST(Pulse, HoldsOverManyWindows) {
  const auto all = line(84, 0.3, 60, 0.02);
  std::optional<PulseEstimate> pulse;
  for (int end = 10; end <= 60; ++end) {
    std::vector<MelodyNote> window;
    for (const MelodyNote& note : all)
      if (note.onset >= (end - 10) * 24000 && note.onset < end * 24000) window.push_back(note);
    const auto before = pulse;
    pulse = estimate_pulse({}, window, (end - 10) * 24000, pulse);
    EXPECT_LT(grid_error(*pulse, 84, 0.3 + std::floor((end - 10) / (60.0 / 84)) * 60.0 / 84, end, 4), 0.03) << end;
    if (!before) continue;
    EXPECT_NEAR(pulse->period, before->period, 0.003 * before->period) << end;
    const double beats = (pulse->origin - before->origin) / pulse->period;
    EXPECT_LT(std::abs(beats - std::round(beats)) * pulse->period, 0.025 * kRate) << "phase moves a little at " << end;
  }
  EXPECT_GT(pulse->confidence, 0.8) << "what held for a minute is sure";
}

TEST(Pulse, AWrongPreviousIsGivenUp) {
  const auto all = line(84, 0.3, 60, 0.01);
  PulseEstimate pulse{60.0 / 101 * kRate, 5000, 0.9f};
  int windows = 0;
  for (int end = 10; end <= 60 && grid_error(pulse, 84, 0.3 + 60.0 / 84 * 20, 24, 4) > 0.04; ++end, ++windows) {
    std::vector<MelodyNote> window;
    for (const MelodyNote& note : all)
      if (note.onset >= (end - 10) * 24000 && note.onset < end * 24000) window.push_back(note);
    pulse = estimate_pulse({}, window, (end - 10) * 24000, pulse);
  }
  EXPECT_LE(windows, 10);
}

TEST(Pulse, ClapsAreEnough) {
  std::vector<float> voice(240000);
  std::mt19937 random(5);
  std::normal_distribution<float> gauss(0, 0.2f);
  for (const MelodyNote& note : line(80, 0.4, 9.9))
    for (int64_t i = 0; i < 960; ++i)
      voice[static_cast<size_t>(note.onset + i)] += gauss(random) * std::exp(-static_cast<float>(i) / 240);
  const auto pulse = estimate_pulse(voice, {}, 0);
  EXPECT_LT(grid_error(pulse, 80, 0.4, 10, 4), 0.03);
}

}  // namespace
}  // namespace fastsag::dsp
