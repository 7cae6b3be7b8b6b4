#include "model/lite/steering.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace fastsag::model::steering_test {
namespace {

constexpr int64_t kSecond = kSampleRate;

Controls with_chart(std::string_view text) {
  Controls controls;
  controls.chart = std::make_shared<const Chart>(read_chart(text));
  return controls;
}
const std::vector<dsp::MelodyNote> kSung = {{3 * kSecond, 4 * kSecond, 60, 1}};

// Beats from bar 1 to a position.
double at(const Pulse& pulse, int64_t position) {
  return static_cast<double>(*pulse.number) + (static_cast<double>(position) - pulse.origin) / pulse.period;
}

TEST(Steering, ChartsTempoBeginsAtTheFirstSungNoteAndStays) {
  const Controls controls = with_chart("{tempo: 90}\n{time: 3/4}\n| C |");
  EXPECT_FALSE(counted(*chart_pulse(controls, {{}, nullptr, 0}), controls, {{}, nullptr, 0}).number) << "nobody sang";
  Plan plan;
  plan.pulse = counted(*chart_pulse(controls, {kSung, nullptr, 0}), controls, {kSung, nullptr, 0});
  EXPECT_EQ(plan.pulse.tempo_bpm(), 90);
  EXPECT_EQ(at(plan.pulse, 3 * kSecond), 0);
  EXPECT_EQ(plan.pulse.beats_per_bar, 3);
  const std::vector<dsp::MelodyNote> later = {{13 * kSecond, 14 * kSecond, 60, 1}};
  const Moment next{later, &plan, 12 * kSecond};
  EXPECT_EQ(counted(*chart_pulse(controls, next), controls, next), plan.pulse);
}

TEST(Steering, AGivenBeatWinsAndItsNumberToo) {
  Controls controls = with_chart("{tempo: 90}\n| C |");
  controls.pulse = {.period = 12000, .origin = 5000, .confidence = 1};
  const Moment moment{kSung, nullptr, 0};
  EXPECT_FALSE(chart_pulse(controls, moment));
  EXPECT_EQ(counted(*controls.pulse, controls, moment).number, 0) << "bar 1 is at the beat that is given";
  controls.pulse->number = 42;  // a MIDI clock, ten bars after its start
  const Pulse pulse = counted(*controls.pulse, controls, moment);
  EXPECT_EQ(pulse.number, 42);
  EXPECT_EQ(pulse.downbeat, -42);
  controls.chart = nullptr;
  EXPECT_FALSE(counted(*controls.pulse, controls, moment).number) << "nobody counts";
}

// What is heard changes a little from window to window, and its origin may be any of its beats.
TEST(Steering, BeatsAreCountedOnWhereThePulseIsHeard) {
  const Controls controls = with_chart("| C |");
  Plan plan;
  double place = 0;
  for (int window = 0; window < 600; ++window) {
    const int64_t known = 4 * kSecond + window * kSecond;
    Pulse heard{.period = 12000 * (1 + 0.004 * std::sin(window)), .confidence = 0.5f};
    if (window == 0) place = static_cast<double>(3 * kSecond);
    while (place < static_cast<double>(known)) place += heard.period;
    heard.origin = place - heard.period * (window % 17);
    const Moment moment{kSung, window > 0 ? &plan : nullptr, known};
    const double before = window > 0 ? at(plan.pulse, known) : 2;
    plan.pulse = counted(heard, controls, moment);
    ASSERT_NEAR(at(plan.pulse, known), before, 0.1) << "window " << window;
    EXPECT_EQ(plan.pulse.downbeat, -*plan.pulse.number);
  }
}

TEST(Steering, AChartThatComesLaterBeginsWhereTheNextNoteIsWritten) {
  const Controls controls = with_chart("| C |");
  Plan plan;
  plan.notes = {{0, 100, 60, 80, 0}};
  const Pulse pulse = counted({.period = 12000, .origin = 100}, controls, {kSung, &plan, 7 * kSecond});
  EXPECT_NEAR(at(pulse, 7 * kSecond), 0, 0.5) << "to the nearest beat";
}

TEST(Steering, AdventurousHarmonyDaresForTwoSecondsAtATime) {
  const std::vector<int64_t> beats = {0, kSecond, 2 * kSecond};
  Controls controls;
  EXPECT_TRUE(daring(controls, beats).empty()) << "nothing at the usual temperature";
  controls.temperature = 1.2f;
  const auto dared = daring(controls, beats);
  ASSERT_EQ(dared.size(), 3u * kTriads);
  EXPECT_TRUE(std::equal(dared.begin(), dared.begin() + kTriads, dared.begin() + kTriads));
  EXPECT_FALSE(std::equal(dared.begin(), dared.begin() + kTriads, dared.begin() + 2 * kTriads));
  double sum = 0;
  for (const float nats : dared) sum += nats * nats;
  EXPECT_NEAR(std::sqrt(sum / 72), 1, 0.4) << "a nat: five standard errors of 48 numbers";
  controls.seed = 2;
  EXPECT_NE(daring(controls, beats), dared);
}

TEST(Steering, KeysHaveTheirTriadsAndNotes) {
  const Chord c{0, 0, Quality::major, 1}, a_minor{0, 9, Quality::minor, 1};
  EXPECT_EQ(std::popcount(triads_of(c)), 6);
  EXPECT_EQ(std::popcount(triads_of(a_minor)), 7);
  EXPECT_EQ(triads_of(c) | 1u << triad_index({4, Quality::major}), triads_of(a_minor)) << "and E major";
  EXPECT_EQ(pitch_classes(c, {0, Quality::major}), 0b101010110101);
  EXPECT_EQ(pitch_classes(a_minor, {4, Quality::major}), 0b101110110101) << "and G sharp";
  Controls controls = with_chart("{key: D}\n| C |");
  EXPECT_EQ(locked_key(controls)->root, 2);
  controls.key = a_minor;
  EXPECT_EQ(locked_key(controls), a_minor);
}

}  // namespace
}  // namespace fastsag::model::steering_test
