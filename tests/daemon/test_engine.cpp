#include "daemon/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "daemon/niceness.h"
#include "dsp/error.h"
#include "tests/support/fake_accompanist.h"
#include "tests/support/fake_clock.h"
#include "tests/support/hum.h"

namespace fastsag::daemon::engine_test {
namespace {

using namespace std::chrono_literals;
using test::FakeAccompanist;
using test::FakeClock;
using test::hum;
using Sound = FakeAccompanist::Sound;

constexpr int kRate = 48000;
constexpr int64_t kBlock = 960;  // 20 ms

// A room whose singer and listener move in lock-step with the clock, 20 ms at a time.
struct Stage {
  explicit Stage(Sound sound = Sound::tone, RoomSettings settings = {}, EngineSettings engine_settings = {})
      : accompanist(sound, &clock), engine(accompanist, clock, engine_settings) {
    accompanist.take(100ms);
    engine.prepare();
    room = engine.open_room("a", settings);
    // Without gain and limiter: what the model wrote.
    output = room->open_output({.ahead = 0, .gain = false});
    output->available();
  }

  // Sings `seconds` of voice; what is heard is appended to `heard`.
  void sing(double seconds) {
    for (int64_t i = 0; i < std::llround(seconds * kRate / kBlock); ++i) {
      const auto voice = hum(sung, kBlock);
      room->voice().push(voice);
      sung += kBlock;
      clock.advance(20ms);
      engine.step();
      listen();
    }
  }
  void listen() {
    std::vector<float> block(kBlock);
    while (output->available() >= kBlock) {
      const auto read = output->read(block);
      if (heard.empty()) first = read.first_sample;
      heard.insert(heard.end(), block.begin(), block.end());
    }
  }

  FakeClock clock;
  FakeAccompanist accompanist;
  Engine engine;
  std::shared_ptr<Room> room;
  std::unique_ptr<RoomOutput> output;
  int64_t sung = 0, first = 0;
  std::vector<float> heard;
};

// How far what was heard is from the model's tone at the same song position: a quarter of a resampler's ripple.
double tone_error(const Stage& stage, int64_t from_sample) {
  double worst = 0;
  for (size_t i = static_cast<size_t>(from_sample); i < stage.heard.size(); ++i) {
    const double t = static_cast<double>(stage.first + static_cast<int64_t>(i)) / kRate;
    worst = std::max(worst, std::abs(0.25 * std::sin(2 * M_PI * 440 * t) - stage.heard[i]));
  }
  return worst;
}

TEST(Engine, DelayedPlaysEveryPositionOnceAndInPhase) {
  Stage stage;
  stage.sing(20);
  const RoomStatus status = stage.room->status();
  // 1.0 hop + .9 context + .1 generation, up to .02 until a block is there, + .1 margin, in steps of 50 ms.
  EXPECT_NEAR(status.delay_ms, 2150, 0.1);
  EXPECT_EQ(std::ssize(stage.heard) + stage.output->available(), 20 * kRate - std::llround(2.15 * kRate))
      << "what is due is there, no more";
  EXPECT_EQ(stage.first, 0);
  EXPECT_EQ(status.windows, 20) << "half a hop, its other half, then one a second: 18 hops and .1 s of context";
  EXPECT_EQ(status.stale + status.gaps + status.dropped + status.errors + status.overruns, 0);
  EXPECT_LT(tone_error(stage, 480), 2e-3) << "one tone through 20 joins and a resampler";
}

TEST(Engine, LivePlaysAheadOfTheVoice) {
  Stage stage(Sound::tone, {.mode = Mode::live});
  stage.sing(20);
  const RoomStatus status = stage.room->status();
  EXPECT_NEAR(status.lead_ms, 200, 20) << "generation and margin";
  EXPECT_EQ(std::ssize(stage.heard), 20 * kRate) << "position p is due when it is sung";
  EXPECT_EQ(status.stale + status.gaps + status.dropped, 0);
  // Half a hop of voice, then the lead.
  EXPECT_LT(tone_error(stage, kRate), 2e-3);
  EXPECT_GE(status.windows, 19);
}

TEST(Engine, DelayedAccompanimentIsAlignedWithTheVoice) {
  Stage stage(Sound::echo);
  stage.sing(10);
  // The echo at position p is the voice at p: the reserve beyond the context is silence, but is never heard.
  const auto voice = hum(0, std::ssize(stage.heard));
  double worst = 0;
  for (size_t i = 4800; i < stage.heard.size(); ++i)
    worst = std::max<double>(worst, std::abs(voice[i] - stage.heard[i]));
  EXPECT_LT(worst, 5e-3) << "sample-aligned: one sample off would be 4e-3 beside the resamplers' own ripple";
  std::vector<float> block(kBlock), sung(kBlock);
  stage.room->voice().push(hum(stage.sung, 4 * kBlock));
  ASSERT_GE(stage.output->available(), kBlock);
  const auto read = stage.output->read(block);
  ASSERT_TRUE(stage.output->read_voice(read, sung));
  EXPECT_EQ(sung, hum(read.first_sample, kBlock)) << "the voice beside it";
}

TEST(Engine, RequestsContinueWhatWasWritten) {
  Stage stage;
  stage.sing(12);
  const auto seen = stage.accompanist.seen();
  ASSERT_GT(seen.size(), 8u);
  for (size_t i = 6; i < seen.size(); ++i) {
    const auto& request = seen[i];
    if (i > 6) {
      EXPECT_EQ(request.known_end - seen[i - 1].known_end, 24000) << "a hop";
    }
    EXPECT_LE(request.write_begin, request.known_end);
    EXPECT_GE(request.write_end, request.known_end + 24000 + 30000) << "a hop, and a reserve that outlasts one";
    EXPECT_GE(request.played_end, request.known_end) << "known up to the slice and into the crossfade";
    EXPECT_EQ(request.played_begin, std::max<int64_t>(request.played_end - 240000, 0))
        << "ten seconds of it, or all since the song began";
    EXPECT_LE(request.voice_end - request.voice_begin, 240000);
    double worst = 0;
    for (size_t k = 0; k < request.played.size(); ++k)
      worst = std::max<double>(
          worst, std::abs(request.played[k] - FakeAccompanist::tone(request.played_begin + static_cast<int64_t>(k))));
    EXPECT_LT(worst, 1e-3) << "what was written is remembered where it was written";
  }
  EXPECT_EQ(seen.back().voice_end - seen.back().voice_begin, 240000) << "ten seconds";
  EXPECT_GT(seen.back().past_notes, 5u) << "the last plan comes back";
}

TEST(Engine, TwoRunsAreTheSameBytes) {
  Stage one(Sound::echo, {}, {.assumed_generation_s = 0.15}), two(Sound::echo, {}, {.assumed_generation_s = 0.15});
  two.accompanist.take(20ms);  // another machine
  one.sing(8);
  two.sing(8);
  EXPECT_EQ(one.heard, two.heard);
}

TEST(Engine, OneLateWindowIsDroppedAndTheReservePlays) {
  Stage stage;
  stage.sing(8);
  bool late = true;
  stage.accompanist.on_generate = [&] {
    if (!std::exchange(late, false)) return;
    for (int i = 0; i < 15; ++i) {  // .3 s of voice while the model thinks, .1 s more than it was given
      stage.room->voice().push(hum(stage.sung, kBlock));
      stage.sung += kBlock;
      stage.listen();
    }
  };
  stage.sing(10);
  const RoomStatus status = stage.room->status();
  EXPECT_EQ(status.dropped, 1);
  EXPECT_EQ(status.stale, 1);
  EXPECT_EQ(stage.engine.status().dropped, 1);
  EXPECT_GT(status.stale_samples, kRate / 2) << "most of a hop comes out of the reserve";
  EXPECT_LT(status.stale_samples, kRate * 5 / 4);
  EXPECT_EQ(status.gaps, 0);
  EXPECT_LT(tone_error(stage, 480), 2e-3) << "nobody hears it: the reserve is the same tone";
}

TEST(Engine, AFailingModelCostsWindowsAndNothingElse) {
  Stage stage;
  stage.sing(8);
  const auto windows = stage.room->status().windows;
  stage.accompanist.fail(true);
  stage.sing(8);
  EXPECT_FALSE(stage.engine.healthy().ok);
  RoomStatus status = stage.room->status();
  EXPECT_EQ(status.windows, windows);
  EXPECT_GE(status.errors, 7);
  EXPECT_EQ(status.gaps, 1) << "the reserve, then silence";
  EXPECT_EQ(status.stale, 1);
  EXPECT_EQ(stage.heard.back(), 0);
  stage.accompanist.fail(false);
  stage.sing(6);
  status = stage.room->status();
  EXPECT_TRUE(stage.engine.healthy().ok) << stage.engine.healthy().reason;
  EXPECT_GE(status.windows, windows + 5);
  EXPECT_EQ(status.gaps, 1);
  EXPECT_NEAR(*std::ranges::max_element(stage.heard.end() - kRate, stage.heard.end()), 0.25, 0.01) << "it plays again";
  float jump = 0;
  for (size_t i = 1; i < stage.heard.size(); ++i) jump = std::max(jump, std::abs(stage.heard[i] - stage.heard[i - 1]));
  EXPECT_LT(jump, 0.25 * 2 * M_PI * 440 / kRate * 1.3) << "no step steeper than the tone itself: no click";
}

TEST(Engine, NoVoiceNoWindows) {
  Stage stage(Sound::tone, {.idle_s = 3});
  EXPECT_TRUE(stage.room->status().idle);
  const std::vector<float> silence(kBlock);
  const auto pause = [&](double seconds) {
    for (int64_t i = 0; i < std::llround(seconds * 50); ++i) {
      stage.room->voice().push(silence);
      stage.sung += kBlock;
      stage.clock.advance(20ms);
      stage.engine.step();
      stage.listen();
    }
  };
  pause(5);
  EXPECT_EQ(stage.room->status().windows, 0) << "nobody has sung yet";
  stage.sing(6);
  pause(4);
  const auto windows = stage.room->status().windows;
  EXPECT_TRUE(stage.room->status().idle);
  pause(20);
  EXPECT_EQ(stage.room->status().windows, windows);
  EXPECT_TRUE(stage.engine.healthy().ok) << "resting is no illness";
  stage.sing(6);
  const RoomStatus status = stage.room->status();
  EXPECT_FALSE(status.idle);
  EXPECT_GE(status.windows, windows + 4);
  EXPECT_EQ(status.gaps, 0) << "silence that nobody asked to be filled is no gap";
}

TEST(Engine, TheDelayGrowsWhenWindowsTakeLonger) {
  Stage stage;
  stage.sing(10);
  const double before = stage.room->status().delay_ms;
  stage.accompanist.take(400ms);
  stage.sing(20);
  EXPECT_GE(stage.room->status().delay_ms, before + 300);
  const auto stale = stage.room->status().stale;
  stage.sing(10);
  EXPECT_EQ(stage.room->status().stale, stale) << "now there is time enough";
  EXPECT_EQ(stage.room->status().gaps, 0);
}

TEST(Engine, CommandsReachTheModel) {
  Stage stage;
  auto port = stage.room->command_port();
  EXPECT_TRUE(port.send(SetSeed{41}));
  EXPECT_TRUE(port.send(NextSeed{}));
  EXPECT_TRUE(port.send(SetPulse{model::Pulse{12000, 0, 4, 0, 1}}));
  EXPECT_TRUE(port.send(SetDensity{0.5f}));
  EXPECT_TRUE(port.send(SetLoudness{-0.25f}));
  EXPECT_TRUE(port.send(SetStyle{model::Ensemble::band}));
  EXPECT_TRUE(port.send(SetKey{model::Chord{0, 9, model::Quality::minor, 1}}));
  const auto chart = std::make_shared<const model::Chart>(model::read_chart("| Am | F |"));
  EXPECT_TRUE(port.send(SetChart{chart}));
  stage.sing(3);
  const auto controls = stage.accompanist.seen().back().controls;
  EXPECT_EQ(controls.seed, 42u);
  ASSERT_TRUE(controls.pulse);
  EXPECT_DOUBLE_EQ(controls.pulse->tempo_bpm(), 120);
  EXPECT_FLOAT_EQ(controls.density, 0.5f);
  EXPECT_FLOAT_EQ(controls.loudness, -0.25f);
  EXPECT_EQ(controls.style, model::Ensemble::band);
  ASSERT_TRUE(controls.key);
  EXPECT_EQ(model::chord_name(*controls.key), "Am");
  EXPECT_EQ(controls.chart, chart);
  EXPECT_EQ(stage.room->status().style, model::Ensemble::band);
  EXPECT_EQ(stage.room->status().seed, 42u);
}

TEST(Engine, AModeChangeGoesOnWithoutAClickOrAGap) {
  Stage stage;
  auto port = stage.room->command_port();
  for (const Mode mode : {Mode::live, Mode::delayed, Mode::live}) {
    stage.sing(6);
    port.send(SetMode{mode});
  }
  stage.sing(6);
  const RoomStatus status = stage.room->status();
  EXPECT_EQ(status.mode, Mode::live);
  EXPECT_EQ(status.gaps, 0);
  float jump = 0;
  for (size_t i = 1; i < stage.heard.size(); ++i) jump = std::max(jump, std::abs(stage.heard[i] - stage.heard[i - 1]));
  EXPECT_LT(jump, 0.25 * 2 * M_PI * 440 / kRate * 1.3) << "no step steeper than the tone itself";
}

TEST(Engine, PublishesEveryWindowAndRemembersTheLast) {
  Stage stage;
  std::vector<WindowEvent> events;
  {
    const auto subscription = stage.room->subscribe([&](const WindowEvent& event) { events.push_back(event); });
    stage.sing(5);
  }
  const size_t count = events.size();
  EXPECT_EQ(count, 5u);
  for (size_t i = 1; i < count; ++i) EXPECT_EQ(events[i].slice_begin, events[i - 1].slice_end);
  EXPECT_EQ(stage.room->plan(), events.back().plan);
  stage.sing(2);
  EXPECT_EQ(events.size(), count) << "an ended subscription stays silent";
}

TEST(Engine, HealthKnowsWhetherTheEngineRuns) {
  FakeClock clock;
  FakeAccompanist accompanist(Sound::tone, &clock);
  Engine engine(accompanist, clock);
  engine.prepare();
  EXPECT_FALSE(engine.healthy().ok) << "not started";
  engine.step();
  EXPECT_TRUE(engine.healthy().ok);
  clock.advance(11s);
  EXPECT_FALSE(engine.healthy().ok) << "a step that does not come back";
}

// Of each thread of this process, as the system tells it (proc(5): the 19th field, counted from the name's end).
std::map<pid_t, int> niceness_of_threads() {
  std::map<pid_t, int> found;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "stat");
    std::string line, field;
    std::getline(file, line);
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    for (int i = 3; i <= 19; ++i) fields >> field;
    found[std::stoi(task.path().filename())] = std::stoi(field);
  }
  return found;
}

// As OpenMP's workers are started: by the thread that makes the first window.
TEST(Engine, WindowsAreMadeBelowEveryOtherThread) {
  FakeClock clock;
  FakeAccompanist accompanist(Sound::tone, &clock);
  Engine engine(accompanist, clock);
  engine.prepare();
  std::jthread worker;
  std::atomic<pid_t> generating{0}, working{0};
  std::atomic<bool> done{false};
  accompanist.on_generate = [&] {
    if (generating != 0) return;
    worker = std::jthread([&] {
      working = gettid();
      while (!done) std::this_thread::sleep_for(1ms);
    });
    generating = gettid();
  };
  const auto room = engine.open_room("a");
  const int own = niceness_of_threads().at(gettid());
  std::jthread generation([&](std::stop_token stop) { engine.run(stop); });
  for (int i = 0; generating == 0 && i < 1000; ++i) {
    room->voice().push(hum(i * kBlock, kBlock));
    clock.wait_for_sleepers(1);
    clock.advance(20ms);
  }
  while (generating != 0 && working == 0) std::this_thread::yield();
  const auto all = niceness_of_threads();
  done = true;
  generation.request_stop();
  clock.release();
  ASSERT_NE(generating, 0);
  for (const auto& [thread, niceness] : all)
    EXPECT_EQ(niceness, own + (thread == generating || thread == working ? kGenerationNiceness : 0)) << thread;
}

// The real threads, on a clock that only the test moves: a singer, a listener and a person at the knobs around run().
TEST(Engine, ThreadsMeetOnlyWhereTheyMay) {
  FakeClock clock;
  FakeAccompanist accompanist(Sound::tone, &clock);
  Engine engine(accompanist, clock);
  engine.prepare();
  const auto room = engine.open_room("a");
  std::atomic<bool> done{false};
  std::jthread generation([&](std::stop_token stop) { engine.run(stop); });
  std::jthread listener([&] {
    const auto output = room->open_output();
    std::vector<float> block(256);
    while (!done) {
      output->play(block);
      std::this_thread::yield();
    }
  });
  std::jthread person([&] {
    auto port = room->command_port();
    for (int i = 0; !done; ++i) {
      port.send(SetGain{static_cast<float>(i % 7) - 6});
      port.send(NextSeed{});
      (void)room->status();
      (void)engine.status();
      (void)engine.healthy();
      (void)room->plan();
      std::this_thread::yield();
    }
  });
  auto modes = room->command_port();
  for (int i = 0; i < 600; ++i) {
    if (i == 300) room->voice().restart();
    if (i % 150 == 100) modes.send(SetMode{i % 300 == 100 ? Mode::live : Mode::delayed});
    room->voice().push(hum(i * kBlock, kBlock));
    clock.wait_for_sleepers(1);
    clock.advance(20ms);
  }
  done = true;
  generation.request_stop();
  clock.release();
  generation.join();
  EXPECT_EQ(room->status().overruns, 0) << "the generation thread kept up with every block";
  EXPECT_GE(room->status().windows, 4) << "two at least in either song of 6 s, whatever the threads did";
  EXPECT_EQ(room->status().restarts, 1);
}

}  // namespace
}  // namespace fastsag::daemon::engine_test
