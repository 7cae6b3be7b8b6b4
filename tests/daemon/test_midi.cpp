#include "daemon/midi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "daemon/midi_ports.h"
#include "daemon/midi_room.h"
#include "dsp/error.h"
#include "tests/support/fake_accompanist.h"
#include "tests/support/fake_clock.h"

namespace fastsag::daemon::midi_test {
namespace {

using namespace std::chrono_literals;
using test::FakeAccompanist;
using test::FakeClock;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(MidiPorts, AWholeNameBeforeItsBeginning) {
  const std::vector<MidiPortInfo> ports = {{"Keys A", "ALSA", Direction::input, 0, 0},
                                           {"Keys", "ALSA", Direction::input, 0, 1},
                                           {"Keys", "ALSA", Direction::output, 0, 0}};
  EXPECT_EQ(&choose_port(ports, "Keys", Direction::input), &ports[1]);
  EXPECT_EQ(&choose_port(ports, "Key", Direction::input), &ports[0]);
  EXPECT_EQ(&choose_port(ports, "Key", Direction::output), &ports[2]);
  try {
    choose_port(ports, "Keys A", Direction::output);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("[midi] output = \"Keys A\": no such port; there are \"Keys\""));
  }
}

TEST(MidiScore, StrikesAndReleasesInTime) {
  MidiScore score;
  std::vector<MidiMessage> out;
  score.plan({.notes = {{100, 200, 60, 90, 0}, {100, 300, 64, 0, 3}}}, 0);
  score.play(99, false, out);
  EXPECT_TRUE(out.empty());
  score.play(100, false, out);
  EXPECT_THAT(out, ElementsAre(MidiMessage{0x90, 60, 90}, MidiMessage{0x93, 64, 1})) << "velocity 0 would be a release";
  out.clear();
  score.play(250, false, out);
  EXPECT_THAT(out, ElementsAre(MidiMessage{0x80, 60, 0}));
  out.clear();
  score.stop(out);
  EXPECT_THAT(out, ElementsAre(MidiMessage{0x83, 64, 0}));
}

TEST(MidiScore, AKeyComesUpBeforeItIsStruckAgain) {
  MidiScore score;
  std::vector<MidiMessage> out;
  score.plan({.notes = {{0, 1000, 60, 90, 0}, {500, 900, 60, 80, 0}}}, 0);
  score.play(0, false, out);
  score.play(500, false, out);
  EXPECT_THAT(out, ElementsAre(MidiMessage{0x90, 60, 90}, MidiMessage{0x80, 60, 0}, MidiMessage{0x90, 60, 80}));
}

TEST(MidiScore, WhatWasMissedIsLeftOutAndMutedNotesPassUnheard) {
  MidiScore score;
  std::vector<MidiMessage> out;
  score.plan(
      {.notes = {{0, 90000, 60, 90, 0}, {100, 90000, 61, 90, 0}, {20000, 90000, 62, 90, 0}, {30000, 90000, 64, 90, 0}}},
      0);
  score.play(MidiScore::kTooLate + 1, false, out);
  EXPECT_THAT(out, ElementsAre(MidiMessage{0x90, 61, 90})) << "60 is a quarter of a second late";
  out.clear();
  score.play(20000, true, out);
  EXPECT_THAT(out, ElementsAre(MidiMessage{0x80, 61, 0})) << "muted: what sounds is released, 62 is not struck";
  out.clear();
  score.play(30000, false, out);
  EXPECT_THAT(out, ElementsAre(MidiMessage{0x90, 64, 90})) << "62 is over for good";
}

// Whatever plans come, whenever they are played: every strike has its release, no key is struck twice.
TEST(MidiScore, NoNoteHangsWhateverHappens) {
  std::mt19937 chance(5);
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(chance);
  };
  for (int round = 0; round < 200; ++round) {
    MidiScore score;
    std::vector<MidiMessage> out;
    int64_t position = 0;
    for (int step = 0; step < 200; ++step) {
      if (pick(0, 9) == 0) {
        model::Plan plan;
        for (int64_t i = pick(0, 20); i > 0; --i) {
          const int64_t onset = position + pick(-5000, 40000);
          plan.notes.push_back({onset, onset + pick(-10, 20000), static_cast<int>(pick(58, 64)),
                                static_cast<int>(pick(0, 127)), static_cast<int>(pick(0, 2))});
        }
        score.plan(plan, position + pick(-5000, 10000));
      }
      if (pick(0, 99) == 0) score.stop(out);
      position += pick(0, 30) == 0 ? pick(-50000, 50000) : pick(0, 1000);
      score.play(position, pick(0, 20) == 0, out);
    }
    score.stop(out);
    std::map<std::pair<int, int>, int> down;
    for (const auto& [status, key, velocity] : out) {
      int& held = down[{status & 0x0f, key}];
      held += (status & 0xf0) == 0x90 ? 1 : -1;
      ASSERT_TRUE(held == 0 || held == 1) << "round " << round;
    }
    for (const auto& [key, held] : down) ASSERT_EQ(held, 0) << "round " << round;
  }
}

// A room that is sung into in blocks, with MIDI looking every 2 ms.
struct Stage {
  static constexpr int kRate = 48000, kBlock = 256;

  explicit Stage(Mode mode, const MidiConfig& config = {.clock = true}, const AudioLatency& latency = {})
      : accompanist(FakeAccompanist::Sound::tone, &clock), engine(accompanist, clock, {.assumed_generation_s = 0.05}) {
    engine.prepare();
    room = engine.open_room("stage", {.sample_rate = kRate, .mode = mode});
    midi = std::make_unique<MidiRoom>(room, config, latency);
  }
  void run(Nanoseconds duration) {
    for (const auto end = clock.now() + duration; clock.now() < end; clock.advance(1ms)) {
      for (; seconds(clock.now()) * kRate >= static_cast<double>(sung + kBlock); sung += kBlock)
        room->voice().push(std::vector<float>(kBlock, 0.1f));
      if (clock.now() % 5ms == 0ns) engine.step();
      if (ticks_bpm > 0)
        for (; next_tick_s <= seconds(clock.now()); next_tick_s += 2.5 / ticks_bpm) midi->receive(clock.now(), tick);
      if (clock.now() % 2ms != 0ns) continue;
      std::vector<MidiMessage> out;
      midi->step(clock.now(), out);
      for (const auto& message : out) sent.push_back({seconds(clock.now()), message});
    }
  }
  void receive(std::vector<uint8_t> message) { midi->receive(clock.now(), message); }

  FakeClock clock;
  FakeAccompanist accompanist;
  Engine engine;
  std::shared_ptr<Room> room;
  std::unique_ptr<MidiRoom> midi;
  std::vector<std::pair<double, MidiMessage>> sent;
  int64_t sung = 0;
  double ticks_bpm = 0, next_tick_s = 0;
  const std::vector<uint8_t> tick{0xf8};
};

// The fake model plays a note at every full second of the song, half a second long.
void expect_notes_at(const Stage& stage, double offset_s, double from_s) {
  int strikes = 0, releases = 0;
  for (const auto& [at_s, message] : stage.sent) {
    if (at_s < from_s) continue;
    const bool strike = message[0] == 0x90;
    (strike ? strikes : releases)++;
    const double song_s = at_s - offset_s - (strike ? 0 : 0.5);
    EXPECT_NEAR(song_s, std::round(song_s), 0.007) << "a step of 2 ms, and of the voice a block of 5.3 ms";
  }
  EXPECT_GE(strikes, 4);
  EXPECT_NEAR(strikes, releases, 1);
}

TEST(MidiRoom, DelayedNotesSoundWithTheirSound) {
  Stage stage(Mode::delayed, {}, {.input_s = 0.05, .output_s = 0.03});
  stage.run(12s);
  expect_notes_at(stage, stage.room->status().delay_ms / 1000 + 0.03, 5);
}

TEST(MidiRoom, LiveNotesSoundWhenTheirMomentIsSung) {
  Stage stage(Mode::live, {}, {.input_s = 0.05, .output_s = 0.03});
  stage.run(12s);
  expect_notes_at(stage, -0.05, 5);
}

TEST(MidiRoom, StoppingReleasesAllAndSaysSoOnTheChannelsUsed) {
  Stage stage(Mode::live);
  while (stage.sent.empty() || stage.sent.back().second[0] != 0x90) stage.run(10ms);
  std::vector<MidiMessage> out;
  stage.midi->stop(out);
  EXPECT_THAT(out, ElementsAre(MidiMessage{0x80, 60, 0}, MidiMessage{0xb0, 123, 0}));
}

TEST(MidiRoom, AnotherModeOrSongReleasesWhatSounds) {
  const MidiConfig config{.map = {.mode = MidiTrigger{MidiTrigger::Kind::note, 1, {}}}};
  Stage stage(Mode::live, config);
  while (stage.sent.empty() || stage.sent.back().second[0] != 0x90) stage.run(10ms);
  stage.receive({0x90, 1, 100});
  stage.run(20ms);
  EXPECT_EQ(stage.room->status().mode, Mode::delayed);
  EXPECT_EQ(stage.sent.back().second, (MidiMessage{0x80, 60, 0}));
  stage.run(10s);
  while (stage.sent.back().second[0] != 0x90) stage.run(10ms);
  stage.room->voice().restart(0);
  stage.run(10ms);
  EXPECT_EQ(stage.sent.back().second, (MidiMessage{0x80, 60, 0}));
}

TEST(MidiRoom, ControllersCommandTheRoom) {
  const auto note = [](int number) { return MidiTrigger{MidiTrigger::Kind::note, number, {}}; };
  Stage stage(
      Mode::delayed,
      {.map = {.mute = note(1), .level = MidiTrigger{MidiTrigger::Kind::control, 7, {}}, .next_seed = note(2)}});
  stage.run(100ms);
  const uint64_t seed = stage.room->status().seed;
  stage.receive({0x90, 1, 100});
  stage.receive({0x90, 2, 100});
  stage.receive({0xb0, 7, 50});
  stage.run(20ms);
  EXPECT_TRUE(stage.room->status().muted);
  EXPECT_EQ(stage.room->status().seed, seed + 1);
  EXPECT_NEAR(stage.room->status().gain_db, -12.04, 0.01);
  stage.receive({0x90, 1, 100});
  stage.run(20ms);
  EXPECT_FALSE(stage.room->status().muted);
}

TEST(MidiRoom, MutedItSendsNoNotes) {
  Stage stage(Mode::live, {.map = {.mute = MidiTrigger{MidiTrigger::Kind::note, 1, {}}}});
  stage.run(4s);
  stage.receive({0x90, 1, 100});
  stage.run(10ms);
  stage.sent.clear();
  stage.run(5s);
  EXPECT_TRUE(stage.sent.empty());
}

TEST(MidiRoom, TheClockIsTheModelsBeat) {
  Stage stage(Mode::delayed);
  stage.run(1s);
  EXPECT_FALSE(stage.accompanist.seen().size() && stage.accompanist.seen().back().controls.pulse);
  stage.ticks_bpm = 100;
  stage.next_tick_s = 1.25;
  stage.receive({0xfa});
  stage.run(10s);
  const auto pulse = stage.accompanist.seen().back().controls.pulse;
  ASSERT_TRUE(pulse);
  EXPECT_NEAR(pulse->tempo_bpm(), 100, 0.05);
  EXPECT_NEAR(std::remainder(pulse->origin / model::kSampleRate - 1.25, 0.6), 0, 0.008)
      << "a block of 5.3 ms, 1 ms of tick";
  stage.receive({0xfc});
  stage.ticks_bpm = 0;
  stage.run(3s);
  EXPECT_FALSE(stage.accompanist.seen().back().controls.pulse)
      << "a machine that stopped leaves the beat to the singer";
}

TEST(MidiRoom, ASteadyClockIsSaidOnce) {
  Stage stage(Mode::delayed);
  stage.ticks_bpm = 90;
  stage.receive({0xfa});
  stage.run(20s);
  std::vector<double> origins;
  for (const auto& seen : stage.accompanist.seen())
    if (seen.controls.pulse && (origins.empty() || origins.back() != seen.controls.pulse->origin))
      origins.push_back(seen.controls.pulse->origin);
  EXPECT_GE(origins.size(), 1u);
  EXPECT_LE(origins.size(), 4u) << "a grid that trembles makes notes that tremble";
}

TEST(MidiRoom, TapsAreTheModelsBeat) {
  Stage stage(Mode::delayed, {.map = {.tap = MidiTrigger{MidiTrigger::Kind::control, 64, {}}}});
  stage.run(1s);
  for (int i = 0; i < 8; ++i) {
    stage.receive({0xb0, 64, 127});
    stage.receive({0xb0, 64, 0});
    stage.run(500ms);
  }
  stage.run(2s);
  const auto pulse = stage.accompanist.seen().back().controls.pulse;
  ASSERT_TRUE(pulse);
  EXPECT_NEAR(pulse->tempo_bpm(), 120, 0.5);
}

TEST(Midi, WithoutAPortItDoesNothingAndWithAWrongOneItSaysWhich) {
  FakeClock clock;
  FakeAccompanist accompanist;
  Engine engine(accompanist, clock, {.assumed_generation_s = 0.05});
  Midi none(engine, clock, {});
  EXPECT_EQ(none.start(), "no MIDI port is configured");
  Config config;
  config.midi.input = "a port that nobody has";
  Midi wrong(engine, clock, config);
  EXPECT_THROW(wrong.start(), Error);
}

}  // namespace
}  // namespace fastsag::daemon::midi_test
