#include "daemon/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

#include "daemon/niceness.h"
#include "dsp/error.h"
#include "tests/support/fake_accompanist.h"
#include "tests/support/fake_clock.h"

namespace fastsag::daemon::engine_test {
namespace {

using namespace std::chrono_literals;
using test::FakeAccompanist;
using test::FakeClock;
using Sound = FakeAccompanist::Sound;

constexpr int kRate = 48000;
constexpr int64_t kBlock = 960;  // 20 ms

std::vector<float> hum(int64_t begin, int64_t samples) {
  std::vector<float> voice;
  for (int64_t i = begin; i < begin + samples; ++i)
    voice.push_back(0.2f * static_cast<float>(std::sin(2 * M_PI * 150 * static_cast<double>(i) / kRate)));
  return voice;
}

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

TEST(Engine, RoomsThatAreDueShareABatch) {
  FakeClock clock;
  FakeAccompanist accompanist(Sound::tone, &clock);
  Engine engine(accompanist, clock, {.max_batch = 2, .max_rooms = 3});
  engine.prepare();
  std::vector<std::shared_ptr<Room>> rooms;
  for (const char* name : {"a", "b", "c"}) rooms.push_back(engine.open_room(name));
  EXPECT_THROW(engine.open_room("d"), Error);
  EXPECT_EQ(engine.open_room("a"), rooms[0]);
  for (int i = 0; i < 250; ++i) {
    const auto voice = hum(i * kBlock, kBlock);
    for (auto& room : rooms) room->voice().push(voice);
    clock.advance(20ms);
    engine.step();
  }
  int64_t pairs = 0, singles = 0;
  const auto seen = accompanist.seen();
  for (size_t i = 4; i < seen.size(); ++i) (seen[i].batch == 2 ? pairs : singles)++;  // past the warm-up
  EXPECT_EQ(pairs, 2 * singles) << "three rooms at once: a pair and a single";
  for (auto& room : rooms) EXPECT_EQ(room->status().windows, 5) << "half a hop, then hops, in 5 s with .9 s of context";
  engine.close_room("b");
  EXPECT_EQ(engine.rooms().size(), 2u);
}

// Rooms at one model, on a clock that its windows move.
struct Venue {
  Venue(int rooms_wanted, const EngineSettings& settings, int best_batch) : engine(accompanist, clock, settings) {
    accompanist.be("fake", best_batch);
    engine.prepare();
    for (int i = 0; i < rooms_wanted; ++i) enter();
  }
  void enter() {
    const size_t number = rooms.size();
    rooms.push_back(engine.open_room("room " + std::to_string(number), {.seed = number}));
    outputs.push_back(rooms.back()->open_output({.ahead = 0, .gain = false}));
    outputs.back()->available();
    heard.emplace_back();
  }
  // Everybody sings until then, at the clock's pace, while the model thinks too.
  void sing_until(double seconds) {
    while (clock.now() < std::chrono::duration<double>(seconds)) {
      catch_up();
      engine.step();
      clock.advance(20ms);
    }
    catch_up();
  }
  void catch_up() {
    const int64_t head = clock.now().count() * kRate / 1'000'000'000 / kBlock * kBlock;
    for (; sung < head; sung += kBlock) {
      const auto voice = hum(sung, kBlock);
      for (auto& room : rooms) room->voice().push(voice);
    }
    for (size_t i = 0; i < rooms.size(); ++i)
      for (std::vector<float> block(kBlock); outputs[i]->available() >= kBlock;) {
        outputs[i]->read(block);
        heard[i].insert(heard[i].end(), block.begin(), block.end());
      }
  }

  FakeClock clock;
  FakeAccompanist accompanist{Sound::tone, &clock};
  Engine engine;
  std::vector<std::shared_ptr<Room>> rooms;
  std::vector<std::unique_ptr<RoomOutput>> outputs;
  std::vector<std::vector<float>> heard;
  int64_t sung = 0;
};

TEST(Engine, AnyNumberOfRoomsIsServed) {
  constexpr int kMost = 4;
  for (int count = 1; count <= kMost + 3; ++count) {
    Venue venue(count, {.max_batch = kMost, .max_rooms = kMost + 3}, 64);
    venue.accompanist.take(10ms);
    venue.sing_until(6);
    for (auto& room : venue.rooms) {
      EXPECT_EQ(room->status().windows, 6) << room->name() << " of " << count;
      EXPECT_EQ(room->status().errors + room->status().gaps, 0) << room->name() << " of " << count;
    }
    for (const auto& seen : venue.accompanist.seen()) EXPECT_LE(seen.batch, static_cast<size_t>(kMost));
  }
}

// Four windows of 60 ms each are all ready after 240 ms as one batch, but after 60, 120, 180 and 240 ms one by one.
TEST(Engine, OnACoreTheFirstRoomDoesNotWaitForTheLast) {
  const auto mean_wait_ms = [](int best_batch) {
    Venue venue(4, {.max_batch = 4, .max_rooms = 4}, best_batch);
    venue.accompanist.take_each(60ms);
    std::vector<double> begins_ms, waits_ms;
    std::vector<Subscription> subscriptions;
    double due_ms = 0;
    venue.accompanist.on_generate = [&] {
      const double now_ms = seconds(venue.clock.now()) * 1000;
      if (begins_ms.empty() || now_ms - begins_ms.back() > 200) due_ms = now_ms;  // all four at the same moment
      begins_ms.push_back(now_ms);
    };
    for (auto& room : venue.rooms)
      subscriptions.push_back(
          room->subscribe([&](const WindowEvent&) { waits_ms.push_back(seconds(venue.clock.now()) * 1000 - due_ms); }));
    venue.sing_until(8);
    double sum = 0;
    for (const double wait : waits_ms) sum += wait;
    return sum / static_cast<double>(waits_ms.size());
  };
  EXPECT_NEAR(mean_wait_ms(4), 240, 1);
  EXPECT_NEAR(mean_wait_ms(1), 150, 1);
}

// The last of three has waited for two others: what it waited is not counted again when its begin is chosen.
TEST(Engine, RoomsThatAreDueAtOnceHearEveryWindowFromItsBegin) {
  Venue venue(3, {.max_batch = 1, .max_rooms = 3}, 1);
  venue.accompanist.take_each(200ms);
  venue.accompanist.on_generate = [&] { venue.catch_up(); };
  venue.sing_until(30);
  for (const auto& room : venue.rooms) EXPECT_EQ(room->status().windows, 30) << room->name();
  for (const auto& seen : venue.accompanist.seen())
    EXPECT_EQ(seen.known_end % (model::kSampleRate / 2), 0) << "hops of a second, the first of a half";
}

TEST(Engine, TheNearestDeadlineGoesFirst) {
  Venue venue(0, {.max_batch = 1, .max_rooms = 2}, 1);
  // The first room came when windows took long, so it hears more behind its voice: it can wait longer.
  venue.accompanist.take(400ms);
  venue.engine.prepare();
  venue.enter();
  venue.accompanist.take(40ms);
  venue.sing_until(90);
  venue.enter();
  venue.sing_until(92.5);  // its first slice is half a hop
  const size_t before = venue.accompanist.seen().size();
  venue.sing_until(102);
  ASSERT_GT(venue.rooms[0]->status().delay_ms, venue.rooms[1]->status().delay_ms + 200);
  const auto seen = venue.accompanist.seen();
  ASSERT_GT(seen.size(), before + 10);
  int pairs = 0;
  for (size_t i = before; i + 1 < seen.size(); ++i) {
    if (seen[i].controls.seed == seen[i + 1].controls.seed || seen[i].at + 40ms != seen[i + 1].at) continue;
    ++pairs;
    EXPECT_EQ(seen[i].controls.seed, 1u) << "both are due at " << seconds(seen[i].at) << " s";
  }
  EXPECT_GE(pairs, 8) << "a second";
}

TEST(Engine, WhereTheModelIsTooSlowForAllEachHasItsTurn) {
  Venue venue(5, {.max_batch = 1, .max_rooms = 5}, 1);
  venue.accompanist.take_each(400ms);  // 2 s for 5 rooms, and a window is due each second
  venue.sing_until(40);
  int64_t least = 1000, most = 0;
  for (auto& room : venue.rooms) {
    const int64_t served = room->status().windows + room->status().dropped;
    least = std::min(least, served);
    most = std::max(most, served);
  }
  EXPECT_GE(least, 16) << "40 s of 2.5 windows a second, among five";
  EXPECT_LE(most - least, 2);
}

TEST(Engine, NumbersThatAreNoneCostOneRoomItsWindow) {
  for (const bool told : {false, true}) {
    Venue venue(3, {.max_batch = 4, .max_rooms = 3}, 64);
    venue.accompanist.take(20ms);
    venue.sing_until(8);
    if (told)
      venue.accompanist.refuse(1);
    else
      venue.accompanist.poison(1);
    venue.sing_until(16);
    venue.accompanist.refuse(~uint64_t{0});
    venue.accompanist.poison(~uint64_t{0});
    venue.sing_until(24);
    for (size_t i = 0; i < 3; ++i) {
      const RoomStatus status = venue.rooms[i]->status();
      EXPECT_EQ(status.errors, i == 1 ? 8 : 0) << i;
      EXPECT_EQ(status.gaps, i == 1 ? 1 : 0) << i << ": the reserve, then silence";
      EXPECT_EQ(status.windows + status.errors, 24) << i;
      float jump = 0;
      for (size_t k = 1; k < venue.heard[i].size(); ++k) {
        ASSERT_TRUE(std::isfinite(venue.heard[i][k])) << i;
        jump = std::max(jump, std::abs(venue.heard[i][k] - venue.heard[i][k - 1]));
      }
      EXPECT_LT(jump, 0.25 * 2 * M_PI * 440 / kRate * 1.3) << i << ": no step steeper than the tone itself: no click";
      EXPECT_NEAR(*std::ranges::max_element(venue.heard[i].end() - kRate, venue.heard[i].end()), 0.25, 0.01) << i;
    }
    EXPECT_EQ(venue.engine.status().errors, 8);
  }
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
