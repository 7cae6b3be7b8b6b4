#include "daemon/midi_clock.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "daemon/head_follower.h"

namespace fastsag::daemon::midi_clock_test {
namespace {

constexpr double kRate = model::kSampleRate;

double ms(double samples) { return samples * 1000 / kRate; }

// A machine that sends ticks, and a cable that delivers each up to `jitter_s` late.
struct Machine {
  double bpm = 120, jitter_s = 0;
  double time = 0.123 * kRate;
  std::mt19937 chance{1};
  double next_beat = 0;  // of the music, once start() was sent: the mean delay is in it, nobody can know that

  double period() const { return 60 * kRate / bpm; }
  void start(MidiClock& clock) {
    clock.start();
    next_beat = time + jitter_s * kRate / 2;
  }
  void run(MidiClock& clock, int ticks) {
    std::uniform_real_distribution<double> late(0, jitter_s * kRate);
    for (int i = 0; i < ticks; ++i, time += period() / MidiClock::kTicksPerBeat) clock.tick(time + late(chance));
  }
  // How far the pulse's beats are from the music's, now.
  double off(const model::Pulse& pulse) const {
    return std::remainder(time + jitter_s * kRate / 2 - pulse.origin, pulse.period);
  }
};

TEST(MidiClock, KnowsTheBeatAfterOneAndItIsWhereStartWas) {
  MidiClock clock;
  Machine machine{.bpm = 96};
  machine.start(clock);
  machine.run(clock, 23);
  EXPECT_FALSE(clock.pulse(machine.time)) << "less than a beat";
  machine.run(clock, 1);
  const auto pulse = clock.pulse(machine.time);
  ASSERT_TRUE(pulse);
  EXPECT_NEAR(pulse->tempo_bpm(), 96, 1e-6);
  EXPECT_NEAR(std::remainder(pulse->origin - machine.next_beat, pulse->period), 0, 1e-6);
  EXPECT_EQ(pulse->confidence, 1);
}

double beats_since_bar_one(const model::Pulse& pulse, double position) {
  return static_cast<double>(pulse.number.value_or(-1000)) + (position - pulse.origin) / pulse.period;
}

TEST(MidiClock, CountsBeatsFromTheStartOrTheSongPosition) {
  MidiClock clock;
  Machine machine{.bpm = 120};
  machine.run(clock, 7);
  machine.start(clock);
  machine.run(clock, 24 * 10);
  EXPECT_NEAR(beats_since_bar_one(*clock.pulse(machine.time), machine.time), 10, 1e-6);
  const model::Pulse before = *clock.pulse(machine.time);
  clock.stop();
  clock.song_position(4 * 33);  // 16ths
  clock.resume();
  machine.run(clock, 24);
  EXPECT_NEAR(beats_since_bar_one(*clock.pulse(machine.time), machine.time), 34, 1e-6);
  EXPECT_TRUE(differ(before, *clock.pulse(machine.time), machine.time)) << "the same beats, counted otherwise";
}

TEST(TapTempo, CountsBeatsFromTheFirstTap) {
  TapTempo taps;
  for (int tap = 0; tap < 40; ++tap) taps.tap(100 + 12000.0 * tap);
  EXPECT_NEAR(beats_since_bar_one(*taps.pulse(), 100), 0, 1e-6);
}

// Late ticks, uniform over J: standard deviation J / sqrt(12). The line through n of them ends within 2 sd / sqrt(n),
// and its slope is within sd * sqrt(12 / n^3); five times these is never.
TEST(MidiClock, SmoothsJitterAtAnyTempo) {
  std::mt19937 chance(7);
  for (int round = 0; round < 200; ++round) {
    Machine machine;
    machine.bpm = std::uniform_real_distribution<double>(40, 240)(chance);
    machine.jitter_s = std::uniform_real_distribution<double>(0, 0.006)(chance);
    machine.chance.seed(static_cast<unsigned>(round));
    MidiClock clock;
    machine.start(clock);
    machine.run(clock, 8 * 24);
    const auto pulse = clock.pulse(machine.time);
    ASSERT_TRUE(pulse);
    const double sd_ms = machine.jitter_s * 1000 / std::sqrt(12.0), n = 8 * 24;
    EXPECT_LT(std::abs(ms(machine.off(*pulse))), 5 * 2 * sd_ms / std::sqrt(n) + 1e-3) << machine.bpm << " bpm";
    const double tick_ms = ms(machine.period()) / 24;
    EXPECT_LT(std::abs(pulse->period / machine.period() - 1), 5 * sd_ms * std::sqrt(12 / (n * n * n)) / tick_ms + 1e-9)
        << machine.bpm << " bpm";
  }
}

TEST(MidiClock, FollowsAJumpOfTempoWithinTwoBeats) {
  std::mt19937 chance(8);
  for (int round = 0; round < 100; ++round) {
    Machine machine;
    machine.jitter_s = 0.004;
    machine.chance.seed(static_cast<unsigned>(round));
    machine.bpm = std::uniform_real_distribution<double>(70, 160)(chance);
    MidiClock clock;
    machine.start(clock);
    machine.run(clock, 10 * 24);
    machine.bpm *= std::uniform_int_distribution<int>(0, 1)(chance) ? 1.25 : 0.8;
    machine.run(clock, 2 * 24);
    const auto pulse = clock.pulse(machine.time);
    ASSERT_TRUE(pulse);
    EXPECT_LT(std::abs(ms(machine.off(*pulse))), 6) << machine.bpm << " bpm";
    EXPECT_NEAR(pulse->tempo_bpm() / machine.bpm, 1, 0.02);
  }
}

TEST(MidiClock, FollowsASlowRitardando) {
  Machine machine{.bpm = 120, .jitter_s = 0.003};
  MidiClock clock;
  machine.start(clock);
  machine.run(clock, 8 * 24);
  double worst_ms = 0;
  for (int beat = 0; beat < 40; ++beat) {
    machine.bpm -= 1;
    machine.run(clock, 24);
    worst_ms = std::max(worst_ms, std::abs(ms(machine.off(*clock.pulse(machine.time)))));
  }
  EXPECT_LT(worst_ms, 15) << "two bpm a second: half of what people notice";
}

TEST(MidiClock, TenMinutesDoNotDrift) {
  Machine machine{.bpm = 127.3, .jitter_s = 0.003};
  MidiClock clock;
  machine.start(clock);
  machine.run(clock, 24 * 1273);
  const double beats = std::round((machine.time - machine.next_beat) / machine.period());
  EXPECT_EQ(beats, 1273) << "the last tick is followed by a beat";
  EXPECT_LT(std::abs(ms(machine.off(*clock.pulse(machine.time)))), 0.5);
}

TEST(MidiClock, TicksWithoutAStartHaveATempoButNoBeatUntilSomebodyTapsOne) {
  Machine machine{.bpm = 100};
  MidiClock clock;
  machine.run(clock, 100);
  EXPECT_FALSE(clock.pulse(machine.time));
  const double tick = machine.period() / 24;
  const double tapped = machine.time - 7 * tick + 0.3 * tick;
  clock.align(tapped);
  const auto pulse = clock.pulse(machine.time);
  ASSERT_TRUE(pulse);
  EXPECT_LE(std::abs(std::remainder(pulse->origin - tapped, pulse->period)), tick / 2 + 1e-6) << "on the nearest tick";
}

TEST(MidiClock, GoesOnWhereItStoppedOrWhereItIsTold) {
  Machine machine{.bpm = 120};
  MidiClock clock;
  machine.start(clock);
  machine.run(clock, 24 * 4 + 6);
  clock.stop();
  EXPECT_FALSE(clock.pulse(machine.time));
  machine.run(clock, 31);  // ticks go on while the song stands
  clock.resume();
  const double tick = machine.period() / 24;
  const auto off = [&](double ticks) {
    const auto pulse = clock.pulse(machine.time);
    return std::remainder(machine.time + ticks * tick - pulse->origin, pulse->period);
  };
  EXPECT_NEAR(off(18), 0, 1e-6) << "a quarter of a beat was over, three quarters remain";
  clock.stop();
  clock.song_position(8 + 1);  // sixteenths
  clock.resume();
  EXPECT_NEAR(off(18), 0, 1e-6);
  clock.stop();
  clock.song_position(12);
  clock.resume();
  EXPECT_NEAR(off(0), 0, 1e-6);
}

TEST(MidiClock, ACableThatIsPulledOutIsNoBeat) {
  Machine machine{.bpm = 120};
  MidiClock clock;
  machine.start(clock);
  machine.run(clock, 100);
  EXPECT_TRUE(clock.pulse(machine.time + 0.9 * kRate));
  EXPECT_FALSE(clock.pulse(machine.time + 1.1 * kRate));
  machine.time += 5 * kRate;
  machine.run(clock, 10);
  EXPECT_FALSE(clock.pulse(machine.time)) << "what was before the pause is no tempo";
}

TEST(TapTempo, FourTapsAreATempo) {
  std::mt19937 chance(9);
  std::normal_distribution<double> finger(0, 0.01 * kRate);
  for (int round = 0; round < 100; ++round) {
    const double period = 60 * kRate / std::uniform_real_distribution<double>(50, 180)(chance);
    TapTempo taps;
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ(taps.pulse().has_value(), i >= 4);
      taps.tap(i * period + finger(chance));
    }
    const auto pulse = taps.pulse();
    ASSERT_TRUE(pulse);
    EXPECT_LT(std::abs(ms(pulse->period - period)), 5 * 10 * std::sqrt(12.0 / (8 * 63)))
        << "five sd of a fit through 8";
    EXPECT_LT(std::abs(ms(std::remainder(pulse->origin - 7 * period, period))), 5 * 10 * 2 / std::sqrt(8.0));
  }
}

TEST(TapTempo, APauseOrAnotherTempoBeginsAnew) {
  TapTempo taps;
  double at = 0;
  for (int i = 0; i < 6; ++i) taps.tap(at += 0.5 * kRate);
  EXPECT_NEAR(taps.pulse()->tempo_bpm(), 120, 1e-6);
  for (int i = 0; i < 4; ++i) taps.tap(at += 0.8 * kRate);
  ASSERT_TRUE(taps.pulse());
  EXPECT_NEAR(taps.pulse()->tempo_bpm(), 75, 1e-6);
  taps.tap(at += 3 * kRate);
  EXPECT_FALSE(taps.pulse());
}

TEST(Differ, HearsWhatPeopleHear) {
  const model::Pulse pulse{.period = 12000, .origin = 100, .confidence = 1};
  auto other = pulse;
  other.origin += 7 * 12000 + 48;  // 2 ms
  EXPECT_FALSE(differ(pulse, other, 1e6));
  other.origin += 72;  // 5 ms
  EXPECT_TRUE(differ(pulse, other, 1e6));
  other = pulse;
  other.period *= 1.0002;  // 2 ms in ten seconds, but 8 ms over the 40 since the origin
  EXPECT_FALSE(differ(pulse, other, 0));
  EXPECT_TRUE(differ(pulse, other, 40 * kRate));
}

TEST(HeadFollower, KnowsTheMomentBetweenBlocks) {
  using namespace std::chrono_literals;
  std::mt19937 chance(3);
  for (const int block : {64, 256, 960, 4096}) {
    HeadFollower follower(48000);
    std::exponential_distribution<double> late_ms(1 / 0.3);
    int64_t head = 0;
    Nanoseconds next{0};
    double worst_ms = 0;
    for (Nanoseconds now = 0ns; now < 5s; now += 1ms) {
      while (now >= next) {
        head += block;
        const double due_s = static_cast<double>(head) / 48000;
        next = Nanoseconds(static_cast<int64_t>(1e9 * due_s + 1e6 * late_ms(chance)));
      }
      follower.observe(now, head);
      if (now > 1s)
        worst_ms = std::max(worst_ms, std::abs(follower.at(now) / 48 - (seconds(now) * 1000 + block / 48.0)));
    }
    EXPECT_LT(worst_ms, 1.5) << "blocks of " << block << ": a look every millisecond, blocks 0.3 ms late on average";
  }
}

TEST(HeadFollower, StandsWhenTheVoiceStands) {
  using namespace std::chrono_literals;
  HeadFollower follower(48000);
  Nanoseconds now{0};
  for (int64_t head = 256; head <= 48000; head += 256, now += 5333us) follower.observe(now, head);
  for (int i = 0; i < 200; ++i) follower.observe(now += 2ms, 187 * 256);
  EXPECT_EQ(follower.at(now), 187 * 256);
}

}  // namespace
}  // namespace fastsag::daemon::midi_clock_test
