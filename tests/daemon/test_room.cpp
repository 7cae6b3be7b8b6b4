#include "daemon/room.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "daemon/engine.h"
#include "dsp/error.h"
#include "tests/support/fake_accompanist.h"
#include "tests/support/fake_clock.h"
#include "tests/support/hum.h"

namespace fastsag::daemon::room_test {
namespace {

using namespace std::chrono_literals;
using test::FakeAccompanist;
using test::FakeClock;
using test::hum;

struct Stage {
  explicit Stage(RoomSettings settings = {})
      : accompanist(FakeAccompanist::Sound::tone, &clock), engine(accompanist, clock, {.assumed_generation_s = 0.1}) {
    engine.prepare();
    room = engine.open_room("a", settings);
  }
  // 20-ms frames from a stated position in the singer's count, with an engine that keeps up.
  void send(int64_t first, int rate, int frames) {
    const int64_t size = rate / 50;
    for (int i = 0; i < frames; ++i) {
      room->voice().push_at(hum(first + i * size, size, rate, 200), rate, first + i * size);
      clock.advance(20ms);
      engine.step();
    }
  }
  FakeClock clock;
  FakeAccompanist accompanist;
  Engine engine;
  std::shared_ptr<Room> room;
};

TEST(Room, RefusesARateWithoutWholeTwentyMilliseconds) {
  EXPECT_THROW(Room("a", {.sample_rate = 44101}), Error);
  EXPECT_THROW(Room("a", {.sample_rate = 4000}), Error);
  EXPECT_NO_THROW(Room("a", {.sample_rate = 44100}));
}

TEST(Room, HasFourOutputsAndGivesThemBack) {
  Room room("a", {});
  std::vector<std::unique_ptr<RoomOutput>> outputs;
  for (int i = 0; i < 4; ++i) outputs.push_back(room.open_output());
  EXPECT_THROW(room.open_output(), Error);
  outputs.pop_back();
  EXPECT_NO_THROW(outputs.push_back(room.open_output()));
}

TEST(Room, EveryVoiceRateKeepsThePitchAndTheTime) {
  for (const int rate : {8000, 16000, 44100, 48000, 96000}) {
    Stage stage;
    stage.send(0, rate, 200);
    const auto seen = stage.accompanist.seen();
    ASSERT_FALSE(seen.empty()) << rate;
    EXPECT_NEAR(static_cast<double>(stage.room->voice().head()), 4.0 * 48000, 48 * 20)
        << rate << ": less the filter's delay";
    EXPECT_EQ(stage.room->status().restarts, 0) << rate;
    EXPECT_EQ(stage.room->status().lost_samples, 0) << rate;
  }
}

TEST(Room, LostFramesAreSilenceAndCounted) {
  Stage stage;
  stage.send(0, 48000, 50);
  stage.send(48000 + 9600, 48000, 50);  // ten frames never came
  EXPECT_EQ(stage.room->status().lost_samples, 9600);
  EXPECT_EQ(stage.room->voice().head(), 2 * 48000 + 9600) << "the time goes on";
  EXPECT_EQ(stage.room->status().restarts, 0);
}

TEST(Room, AJumpBackwardsStartsANewSong) {
  Stage stage;
  stage.send(0, 48000, 150);
  EXPECT_EQ(stage.room->status().song, 0u);
  stage.send(0, 48000, 150);
  const RoomStatus status = stage.room->status();
  EXPECT_EQ(status.restarts, 1);
  EXPECT_EQ(status.song, 1u);
  EXPECT_EQ(stage.room->voice().head(), 3 * 48000) << "counted from the new beginning";
  const auto last = stage.accompanist.seen().back();
  EXPECT_EQ(last.voice_begin, 0) << "the model hears nothing of the old song";
  EXPECT_LE(last.voice_end, 3 * 24000);
}

TEST(Room, AnotherRateAndALongJumpStartANewSongWhereTheSingerSays) {
  Stage stage;
  stage.send(0, 48000, 100);
  stage.send(88200, 44100, 100);  // goes on at 2 s, at another rate
  EXPECT_EQ(stage.room->status().restarts, 1);
  EXPECT_NEAR(static_cast<double>(stage.room->voice().head()), 4 * 48000, 48 * 5);
  stage.send(int64_t{44100} * 3600, 44100, 100);
  EXPECT_EQ(stage.room->status().restarts, 2);
  EXPECT_NEAR(static_cast<double>(stage.room->voice().head()), 3602.0 * 48000, 48 * 5);
  EXPECT_LE(stage.room->status().lost_samples, 0) << "an hour is not filled with silence";
}

TEST(Room, HostilePositionsDoNoHarm) {
  Stage stage;
  for (const int64_t first :
       {std::numeric_limits<int64_t>::max() - 5, std::numeric_limits<int64_t>::min(), int64_t{-1}, int64_t{0}})
    stage.send(first > 0 ? first - 100000 : first, 48000, 2);
  stage.send(0, 48000, 100);
  EXPECT_EQ(stage.room->voice().head(), 2 * 48000);
}

TEST(Room, NotANumberIsSilence) {
  Stage stage;
  std::vector<float> voice(960, std::numeric_limits<float>::quiet_NaN());
  stage.room->voice().push(voice);
  const auto output = stage.room->open_output();
  voice.assign(960, 1);
  EXPECT_TRUE(output->read_voice({}, voice));
  EXPECT_EQ(voice, std::vector<float>(960, 0.0f));
}

TEST(RoomOutput, LevelAndMuteAnswerWithinMilliseconds) {
  Stage stage;
  const auto output = stage.room->open_output();
  auto port = stage.room->command_port();
  stage.send(0, 48000, 250);
  const auto level = [&](double seconds) {
    std::vector<float> block(static_cast<size_t>(std::lround(seconds * 48000)));
    output->read(block);
    double power = 0;
    for (const float sample : std::span(block).last(2400)) power += sample * sample / 2400;
    return std::sqrt(power);
  };
  output->available();
  const double usual = level(0.2);
  EXPECT_NEAR(usual, 0.25 / std::sqrt(2), 0.005);
  port.send(SetGain{-6.0206f});
  EXPECT_NEAR(level(0.15), usual / 2, 0.005) << "within .1 s";
  port.send(SetMute{true});
  EXPECT_LT(level(0.15), 1e-3);
  port.send(SetMute{false});
  port.send(SetGain{40});
  EXPECT_GT(level(0.3), usual) << "back";
  std::vector<float> loud(9600);
  output->read(loud);
  for (const float sample : loud) ASSERT_LE(std::abs(sample), 0.8913f) << "never above -1 dBFS";
}

TEST(RoomOutput, PlayKeepsStepWithTheVoice) {
  Stage stage;
  const auto output = stage.room->open_output({.ahead = 0, .gain = false});
  std::vector<float> block(256);
  int64_t last = 0;
  for (int64_t i = 0; i < 2000; ++i) {
    stage.room->voice().push(hum(i * 256, 256, 48000, 200));
    const auto read = output->play(block);
    if (i > 0) {
      ASSERT_EQ(read.first_sample, last + 256);
    }
    last = read.first_sample;
    stage.clock.advance(5333us);
    stage.engine.step();
  }
  const auto delay = static_cast<int64_t>(stage.room->status().delay_ms * 48);
  EXPECT_EQ(last, 2000 * 256 - 256 - delay);
  EXPECT_EQ(stage.room->status().gaps + stage.room->status().stale, 0);
}

}  // namespace
}  // namespace fastsag::daemon::room_test
