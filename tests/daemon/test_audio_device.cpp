#include "daemon/audio_device.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "daemon/audio_catalog.h"
#include "dsp/error.h"
#include "tests/support/allocation_guard.h"
#include "tests/support/fake_accompanist.h"
#include "tests/support/fake_clock.h"

namespace fastsag::daemon::audio_device_test {
namespace {

using test::FakeAccompanist;
using test::FakeClock;
using testing::HasSubstr;

constexpr int kRate = 48000;
constexpr int kBlock = 256;

float voice_at(int64_t position) {
  return position < 0
             ? 0
             : 0.2f * static_cast<float>(std::sin(2 * std::numbers::pi * 200 * static_cast<double>(position) / kRate));
}

// A singer in front of a sound card of `kBlock` frames that never fails, and an engine that keeps up.
struct Stage {
  explicit Stage(Mode mode, FakeAccompanist::Sound sound, int64_t ahead = 0, float monitor_db = AudioConfig::kOffDb)
      : accompanist(sound, &clock), engine(accompanist, clock, {.assumed_generation_s = 0.05}) {
    engine.prepare();
    room = engine.open_room("stage", {.sample_rate = kRate, .mode = mode});
    loop = std::make_unique<AudioLoop>(room->voice(), room->open_output({.ahead = ahead, .gain = false}), kRate,
                                       monitor_db);
  }

  void play_block() {
    for (size_t i = 0; i < input.size(); ++i) input[i] = voice_at(time + static_cast<int64_t>(i));
    loop->process({.input = input, .output = output, .channels = 2});
    time += kBlock;
    for (size_t i = 0; i < kBlock; ++i) heard.push_back(output[2 * i]);
    clock.advance(std::chrono::nanoseconds(1'000'000'000ll * kBlock / kRate));
    engine.step();
  }
  void play(double seconds) {
    for (const int64_t end = time + std::llround(seconds * kRate); time < end;) play_block();
  }

  FakeClock clock;
  FakeAccompanist accompanist;
  Engine engine;
  std::shared_ptr<Room> room;
  std::unique_ptr<AudioLoop> loop;
  std::vector<float> input = std::vector<float>(kBlock), output = std::vector<float>(2 * kBlock);
  std::vector<float> heard;
  int64_t time = 0;
};

TEST(AudioCatalog, AWholeNameBeforeItsBeginningInTheAskedDirection) {
  const std::vector<AudioDeviceInfo> devices = {{0, "USB Mixer Pro", "ALSA", 2, 0, 44100, false, false},
                                                {1, "USB", "ALSA", 0, 2, 48000, false, true},
                                                {2, "USB Mixer", "ALSA", 2, 2, 48000, true, false}};
  EXPECT_EQ(choose_device(devices, "USB Mixer", Direction::input)->index, 2);
  EXPECT_EQ(choose_device(devices, "USB", Direction::output)->index, 1);
  EXPECT_EQ(choose_device(devices, "USB", Direction::input)->index, 0) << "the first that begins so and has inputs";
  EXPECT_EQ(choose_device(devices, "USB Mix", Direction::output)->index, 2);
  EXPECT_EQ(choose_device(devices, "default", Direction::input)->index, 2);
  EXPECT_EQ(choose_device(devices, "default", Direction::output)->index, 1);
  EXPECT_FALSE(choose_device(devices, "none", Direction::input));
}

TEST(AudioCatalog, AnUnknownNameListsWhatThereIs) {
  const std::vector<AudioDeviceInfo> devices = {{0, "Mixer", "ALSA", 2, 0, 44100, true, false}};
  try {
    choose_device(devices, "Mixr", Direction::input);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("[audio] input = \"Mixr\": no such device; there are \"Mixer\""));
  }
  try {
    choose_device(devices, "default", Direction::output);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("this machine has none: use \"none\""));
  }
}

TEST(AudioDevice, WithoutADeviceItDoesNothingAndWithAWrongOneItSaysWhich) {
  FakeClock clock;
  FakeAccompanist accompanist;
  Engine engine(accompanist, clock, {.assumed_generation_s = 0.05});
  AudioDevice none(engine, {});
  EXPECT_EQ(none.start(), "no sound device is configured");
  EXPECT_EQ(none.failure(), "");
  Config config;
  config.audio.input = "a device that nobody has";
  AudioDevice wrong(engine, config);
  EXPECT_THROW(wrong.start(), Error);
  EXPECT_EQ(engine.rooms().size(), 0u) << "a device that does not open leaves no room behind";
}

TEST(AudioLoop, DelayedTheVoiceComesBackWhereItBelongs) {
  Stage stage(Mode::delayed, FakeAccompanist::Sound::echo);
  stage.play(6);
  const int64_t delay = std::llround(stage.room->status().delay_ms * kRate / 1000);
  const int64_t late = delay + AudioLoop::latency_samples(kRate);
  float worst = 0;
  for (int64_t i = 4 * kRate; i < 6 * kRate; ++i)
    worst = std::max(worst, std::abs(stage.heard[static_cast<size_t>(i)] - voice_at(i - late)));
  EXPECT_LT(worst, 0.002f) << "an echo of a 0.2 sine, resampled twice, and not a sample off: one is 0.005";
  EXPECT_EQ(stage.room->status().voice_head, stage.time);
  EXPECT_EQ(stage.room->status().gap_samples, 0);
}

TEST(AudioLoop, LiveItPlaysAheadByWhatWasAsked) {
  constexpr int64_t kAhead = 1000;
  Stage stage(Mode::live, FakeAccompanist::Sound::tone, kAhead + AudioLoop::latency_samples(kRate));
  stage.play(6);
  float worst = 0;
  for (int64_t i = 5 * kRate; i < 6 * kRate; i += 2)  // where both rates have a sample
    worst = std::max(worst, std::abs(stage.heard[static_cast<size_t>(i)] - FakeAccompanist::tone((i + kAhead) / 2)));
  EXPECT_LT(worst, 0.003f) << "a 0.25 tone of 440 Hz; a sample off is 0.014";
}

TEST(AudioLoop, TheDryVoiceIsMixedInPastTheModel) {
  Stage stage(Mode::delayed, FakeAccompanist::Sound::tone, 0, -6.0206f);
  stage.play(0.5);  // before the first window is heard
  const int64_t latency = AudioLoop::latency_samples(kRate);
  float worst = 0;
  for (int64_t i = kRate / 4; i < kRate / 2; ++i)
    worst = std::max(worst, std::abs(stage.heard[static_cast<size_t>(i)] - voice_at(i - latency) / 2));
  EXPECT_LT(worst, 1e-4f);
  stage.loop->set_monitor_db(AudioConfig::kOffDb);
  stage.play(0.25);
  EXPECT_LT(std::abs(*std::max_element(stage.heard.end() - 1000, stage.heard.end())), 1e-6f) << "turned off";
}

TEST(AudioLoop, NothingLeavesAboveTheCeiling) {
  Room room("a", {});
  AudioLoop loop(room.voice(), room.open_output(), kRate, 12);
  std::vector<float> input(kBlock), output(kBlock);
  float peak = 0;
  for (int64_t block = 0; block < 400; ++block) {
    for (size_t i = 0; i < kBlock; ++i) input[i] = 5 * voice_at(block * kBlock + static_cast<int64_t>(i));
    if (block == 200) input[7] = std::numeric_limits<float>::quiet_NaN();
    loop.process({.input = input, .output = output});
    for (const float sample : output) peak = std::max(peak, std::isfinite(sample) ? std::abs(sample) : 10.0f);
  }
  EXPECT_LE(peak, dsp::Limiter::kCeiling);
  EXPECT_GT(peak, 0.8f) << "and it was loud";
}

TEST(AudioLoop, EveryChannelHasTheSame) {
  Stage stage(Mode::delayed, FakeAccompanist::Sound::echo, 0, 0);
  stage.play(0.2);
  for (size_t i = 0; i < kBlock; ++i) ASSERT_EQ(stage.output[2 * i], stage.output[2 * i + 1]);
}

TEST(AudioLoop, AnXrunIsCountedOnceAndItsVoiceIsTold) {
  Room room("a", {});
  AudioLoop loop(room.voice(), room.open_output(), kRate, AudioConfig::kOffDb);
  std::vector<float> input(kBlock, 0.1f), output(kBlock);
  double time_s = 100;
  const auto block = [&](bool lost) {
    loop.process({.input = input, .output = output, .input_lost = lost, .output_lost = lost, .input_time_s = time_s});
    time_s += static_cast<double>(kBlock) / kRate;
  };
  block(false);
  time_s += 512.0 / kRate;  // two blocks that nobody recorded
  block(true);
  time_s += 3.0 / kRate;  // a clock that jitters is no loss
  block(false);
  EXPECT_EQ(loop.status().xruns, 1);
  EXPECT_EQ(loop.status().lost_samples, 512);
  EXPECT_EQ(loop.status().blocks, 3);
  EXPECT_EQ(room.status().lost_samples, 512);
  EXPECT_EQ(room.status().voice_head, 3 * kBlock + 512) << "what is sung next lies where it was sung";
}

TEST(AudioLoop, IsFitForTheCallback) {
  Stage stage(Mode::delayed, FakeAccompanist::Sound::tone, 0, -12);
  stage.play(4);
  std::vector<float> input(10000, 0.1f), output(20000);  // longer than any chunk
  {
    test::RealTimeScope scope("AudioLoop");
    stage.loop->process({.input = stage.input, .output = stage.output, .channels = 2});
    stage.loop->process(
        {.input = stage.input, .output = stage.output, .channels = 2, .input_lost = true, .input_time_s = 1});
    stage.loop->process(
        {.input = stage.input, .output = stage.output, .channels = 2, .input_lost = true, .input_time_s = 3});
    stage.loop->process({.input = input, .output = output, .channels = 2});
    stage.loop->process({.output = stage.output, .channels = 2});
    stage.loop->process({.input = stage.input});
    stage.loop->fade_out();
    for (int i = 0; i < 5; ++i) stage.loop->process({.input = stage.input, .output = stage.output, .channels = 2});
  }
  EXPECT_TRUE(stage.loop->faded_out());
  EXPECT_GT(stage.loop->status().lost_samples, 0);
}

TEST(AudioLoop, EndsInSilenceWithoutAClick) {
  Stage stage(Mode::delayed, FakeAccompanist::Sound::echo);
  stage.play(6);
  const size_t end = stage.heard.size();
  stage.loop->fade_out();
  stage.play(0.03);
  float step = 0;
  for (size_t i = end; i < stage.heard.size(); ++i)
    step = std::max(step, std::abs(stage.heard[i] - stage.heard[i - 1]));
  EXPECT_LT(step, 0.0057f) << "a 200 Hz sine of 0.2 moves by 0.0052 a sample, the fade by 0.2 / 960";
  EXPECT_TRUE(stage.loop->faded_out()) << "within 30 ms";
  EXPECT_EQ(stage.heard.back(), 0.0f);
}

}  // namespace
}  // namespace fastsag::daemon::audio_device_test
