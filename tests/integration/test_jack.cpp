// The sound card and MIDI for real, on a machine that has neither: JACK's dummy driver, and a singer who is another
// client.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <thread>

#include "daemon/audio_device.h"
#include "daemon/engine.h"
#include "daemon/midi.h"
#include "tests/integration/jack_stage.h"
#include "tests/integration/soak.h"
#include "tests/support/fake_accompanist.h"

namespace fastsag::daemon {
namespace {

using namespace std::chrono_literals;
using test::FakeAccompanist;
using test::JackServer;
using test::JackSinger;
using test::soak_s;

constexpr int kRate = JackServer::kRate;

// fastsagd's insides on a model that is known.
struct Stage {
  explicit Stage(FakeAccompanist::Sound sound, Mode mode, double clock_bpm = 0)
      : singer(test::sung_tone(kRate), soak_s() + 60, clock_bpm), accompanist(sound), engine(accompanist, clock) {
    config.engine.mode = mode;
    config.audio.input = config.audio.output = JackSinger::kName;
    engine.prepare();
    test::hold_pace();
    generation = std::jthread([this](std::stop_token stop) { engine.run(stop); });
  }
  JackSinger singer;
  SystemClock clock;
  FakeAccompanist accompanist;
  Engine engine;
  Config config;
  std::jthread generation;
};

std::chrono::seconds patience() { return std::chrono::seconds(static_cast<int>(soak_s()) + 120); }

// The singer's xruns are the server's: a machine that is busy with something else has some. Ours would be a callback
// that works for longer than a block lasts.
void expect_no_xrun_of_ours(const AudioStatus& status, const JackSinger& singer) {
  EXPECT_LT(status.longest_block_ms, 0.5 * 1000 * JackServer::kBlock / kRate);
  EXPECT_LE(status.xruns, singer.xruns()) << "we counted some that never were";
  std::printf("blocks %lld, xruns %lld (the server's: %d), longest block %.3f ms of %.2f\n",
              static_cast<long long>(status.blocks), static_cast<long long>(status.xruns), singer.xruns(),
              status.longest_block_ms, 1000.0 * JackServer::kBlock / kRate);
}

struct Match {
  int64_t lag = 0;
  double gain = 0;
  double worst = 0;  // difference of a sample
};

// What was heard in [begin, end) against what was sung `lag` before, at the best lag in [low, high).
Match match(const JackSinger& singer, int64_t begin, int64_t end, int64_t low, int64_t high) {
  const auto& heard = singer.heard();
  Match best;
  double least = 1e30;
  for (int64_t lag = low; lag < high; ++lag) {
    double cross = 0, power = 0, error = 0;
    const int64_t stop = std::min(begin + kRate / 2, end);
    for (int64_t i = begin; i < stop; i += 7) {
      cross += double{heard[static_cast<size_t>(i)]} * singer.sung(i - lag);
      power += std::pow(singer.sung(i - lag), 2);
    }
    for (int64_t i = begin; i < stop; i += 7)
      error += std::pow(heard[static_cast<size_t>(i)] - cross / power * singer.sung(i - lag), 2);
    if (error < least) least = error, best = {lag, cross / power, 0};
  }
  for (int64_t i = begin; i < end; ++i)
    best.worst = std::max(best.worst, std::abs(heard[static_cast<size_t>(i)] - best.gain * singer.sung(i - best.lag)));
  return best;
}

TEST(Jack, TheAccompanimentIsHeardToTheSampleWithoutAGap) {
  const JackServer server;
  if (!server.problem().empty()) GTEST_SKIP() << server.problem();
  Stage stage(FakeAccompanist::Sound::echo, Mode::delayed);
  AudioDevice device(stage.engine, stage.config);
  const std::string line = device.start();
  std::puts(line.c_str());
  EXPECT_NE(line.find("\"singer\""), std::string::npos);
  const int64_t begin = stage.singer.frames() + 5 * kRate, end = begin + static_cast<int64_t>(soak_s() * kRate);
  ASSERT_TRUE(stage.singer.wait_until(end, patience())) << "the callback is not called";
  EXPECT_EQ(device.failure(), "");
  const auto room = stage.engine.find_room(kStageRoom)->status();
  const auto status = device.status();
  const int xruns = stage.singer.xruns();
  EXPECT_EQ(room.gaps, 0);
  EXPECT_EQ(room.dropped, 0);
  EXPECT_LT(static_cast<double>(room.stale_samples), 0.01 * static_cast<double>(room.played_samples));
  expect_no_xrun_of_ours(status, stage.singer);
  const int64_t delay = std::llround(room.delay_ms * kRate / 1000);
  // Three blocks as a rule; a busy machine's server may leave some out while it starts, which counts as no xrun.
  constexpr int64_t kMostBlocks = 32;
  const auto found = match(stage.singer, begin, end, delay, delay + kMostBlocks * JackServer::kBlock);
  std::printf("heard %lld samples after the voice and the room's delay, gain %.3f, worst sample %.5f\n",
              static_cast<long long>(found.lag - delay), found.gain, found.worst);
  EXPECT_GT(found.gain, 0.5);
  EXPECT_LT(found.gain, 4);
  if (xruns == 0) {
    EXPECT_LT(found.worst, 0.01 * found.gain) << "the echo of a voice of 0.25: resampled twice, no click, no gap";
  } else {
    std::puts("the server had xruns: the machine is too busy for the comparison sample by sample");
  }

  const auto before = stage.singer.frames();
  device.stop();
  ASSERT_TRUE(stage.singer.wait_until(before + kRate, patience())) << "the server died with us";
  EXPECT_EQ(stage.singer.heard()[static_cast<size_t>(before + kRate - 1)], 0) << "silence after the end";
}

TEST(Jack, LiveItIsThereWhenItsMomentIsSung) {
  const JackServer server;
  if (!server.problem().empty()) GTEST_SKIP() << server.problem();
  Stage stage(FakeAccompanist::Sound::tone, Mode::live);
  AudioDevice device(stage.engine, stage.config);
  device.start();
  const int64_t begin = stage.singer.frames() + 5 * kRate, end = begin + static_cast<int64_t>(soak_s() * kRate);
  ASSERT_TRUE(stage.singer.wait_until(end, patience()));
  const auto room = stage.engine.find_room(kStageRoom)->status();
  EXPECT_EQ(room.gaps, 0);
  EXPECT_LE(room.lead_ms, 1500);
  expect_no_xrun_of_ours(device.status(), stage.singer);
  // A steady tone: the largest step of the sound says whether anything clicked (440 Hz at a quarter: 0.0144 a sample).
  const auto& heard = stage.singer.heard();
  float peak = 0, step = 0;
  for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
    peak = std::max(peak, std::abs(heard[i]));
    step = std::max(step, std::abs(heard[i] - heard[i - 1]));
  }
  EXPECT_GT(peak, 0.1f);
  if (stage.singer.xruns() == 0) {
    EXPECT_LT(step, 0.065f * peak) << "2 pi 440 / 48000 = 0.0576 of the peak";
  }
  device.stop();
}

TEST(Jack, MidiClockInAndNotesOut) {
  const JackServer server;
  if (!server.problem().empty()) GTEST_SKIP() << server.problem();
  constexpr double kBpm = 100;
  Stage stage(FakeAccompanist::Sound::tone, Mode::delayed, kBpm);
  stage.config.midi = {.input = "singer:clock", .output = "singer:no", .clock = true};
  AudioDevice device(stage.engine, stage.config);
  device.start();
  Midi midi(stage.engine, stage.clock, stage.config, &device);
  std::puts(midi.start().c_str());
  const int64_t begin = stage.singer.frames() + 6 * kRate;
  ASSERT_TRUE(stage.singer.wait_until(begin + static_cast<int64_t>(soak_s() * kRate), patience()));
  EXPECT_EQ(midi.failure(), "");
  const auto seen = stage.accompanist.seen();
  ASSERT_FALSE(seen.empty());
  const auto pulse = seen.back().controls.pulse;
  ASSERT_TRUE(pulse) << "no clock came through";
  EXPECT_NEAR(pulse->tempo_bpm(), kBpm, stage.singer.xruns() == 0 ? 0.3 : 5);

  midi.stop();
  device.stop();
  ASSERT_TRUE(stage.singer.wait_until(stage.singer.frames() + kRate / 2, patience()));
  std::map<int, int> down;
  std::vector<int64_t> strikes;
  for (const auto& [frame, bytes] : stage.singer.midi()) {
    if ((bytes[0] & 0xf0) == 0x90) ++down[bytes[1]], strikes.push_back(frame);
    if ((bytes[0] & 0xf0) == 0x80) --down[bytes[1]];
  }
  for (const auto& [key, held] : down) EXPECT_EQ(held, 0) << "key " << key << " hangs";
  EXPECT_GE(static_cast<double>(strikes.size()), soak_s() - 2) << "the fake model strikes once a second";
  std::vector<double> apart_ms;
  for (size_t i = 1; i < strikes.size(); ++i)
    apart_ms.push_back(1000.0 * static_cast<double>(strikes[i] - strikes[i - 1]) / kRate);
  ASSERT_FALSE(apart_ms.empty());
  std::ranges::sort(apart_ms);
  std::printf("tempo %.3f bpm, notes apart: %.1f .. %.1f ms\n", pulse->tempo_bpm(), apart_ms.front(), apart_ms.back());
  EXPECT_NEAR(apart_ms[apart_ms.size() / 2], 1000, 6) << "a JACK block of 5.3 ms";
}

}  // namespace
}  // namespace fastsag::daemon
