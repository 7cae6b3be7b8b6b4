#include "daemon/standby.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "daemon/engine.h"
#include "daemon/metrics.h"
#include "dsp/error.h"
#include "tests/support/fake_accompanist.h"
#include "tests/support/fake_clock.h"

namespace fastsag::daemon::standby_test {
namespace {

using namespace std::chrono_literals;
using test::FakeAccompanist;
using test::FakeClock;
using testing::HasSubstr;

constexpr int kRate = 48000;
constexpr int64_t kBlock = 960;  // 20 ms

// A device that a test takes away and gives back, and a singer in front of it; work beside it is done when the test
// says so. The device plays 440 Hz, its stand-in 220 Hz.
struct Booth {
  std::unique_ptr<model::Accompanist> load() {
    ++loads;
    if (gone) throw Error("the fake device is not there");
    auto made = std::make_unique<FakeAccompanist>(FakeAccompanist::Sound::tone, &clock);
    made->be("paper", 64);
    made->take(device_takes);
    device = made.get();
    return made;
  }
  std::unique_ptr<model::Accompanist> make_spare() {
    auto made = std::make_unique<FakeAccompanist>(FakeAccompanist::Sound::low, &clock);
    made->be("lite", 1);
    made->take_each(100ms);
    spare = made.get();
    return made;
  }
  void open() {
    engine.prepare();
    room = engine.open_room("booth");
    output = room->open_output({.ahead = 0, .gain = false});
    output->available();
  }
  void sing(double seconds) {
    for (int64_t i = 0; i < std::llround(seconds * kRate / kBlock); ++i) {
      std::vector<float> voice;
      for (int64_t k = 0; k < kBlock; ++k)
        voice.push_back(0.2f * static_cast<float>(std::sin(2 * M_PI * 150 * static_cast<double>(sung + k) / kRate)));
      room->voice().push(voice);
      sung += kBlock;
      clock.advance(20ms);
      engine.step();
      for (std::vector<float> block(kBlock); output->available() >= kBlock;) {
        output->read(block);
        heard.insert(heard.end(), block.begin(), block.end());
      }
    }
  }
  void tend() {
    standby.tend();
    while (!work.empty()) {
      auto next = std::move(work.front());
      work.erase(work.begin());
      next();
    }
  }
  // Of the last second: how often the sound crosses zero upwards.
  int64_t hertz() const {
    int64_t crossings = 0;
    for (size_t i = heard.size() - kRate + 1; i < heard.size(); ++i) crossings += heard[i - 1] < 0 && heard[i] >= 0;
    return crossings;
  }
  float steepest() const {
    float jump = 0;
    for (size_t i = 1; i < heard.size(); ++i) jump = std::max(jump, std::abs(heard[i] - heard[i - 1]));
    return jump;
  }

  FakeClock clock;
  FakeAccompanist *device = nullptr, *spare = nullptr;
  bool gone = false;
  int loads = 0;
  daemon::Nanoseconds device_takes = 20ms;
  std::vector<std::function<void()>> work;
  Standby standby{[this] { return load(); }, make_spare(), clock,
                  [this](std::function<void()> job) { work.push_back(std::move(job)); }};
  Engine engine{standby, clock, {.max_batch = 4, .max_rooms = 4}};
  std::shared_ptr<Room> room;
  std::unique_ptr<RoomOutput> output;
  std::vector<float> heard;
  int64_t sung = 0;
};

// The steepest that the device's tone itself is, and a crossfade of two that lie against each other on top.
constexpr double kSteepest = 0.25 * 2 * M_PI * 440 / kRate * 1.5;

TEST(Standby, TheCpuPlaysOnWhereTheDeviceIsLostAndGivesBack) {
  Booth booth;
  booth.open();
  booth.sing(8);
  EXPECT_EQ(booth.hertz(), 440);
  EXPECT_EQ(booth.engine.status().preset, "paper");
  EXPECT_EQ(notice_of(booth.engine.status()), "");

  booth.device->lose_device(true);
  booth.gone = true;
  booth.sing(8);
  EXPECT_NEAR(static_cast<double>(booth.hertz()), 220, 1) << "the stand-in plays";
  const EngineStatus fallen = booth.engine.status();
  EXPECT_EQ(fallen.preset, "lite");
  EXPECT_EQ(fallen.device.fallbacks, 1);
  EXPECT_EQ(notice_of(fallen), "preset lite plays on the CPU: the fake device is lost");
  EXPECT_TRUE(booth.engine.healthy().ok) << "it plays";
  EXPECT_THAT(metrics_text(fallen, booth.engine.healthy()),
              HasSubstr("fastsag_fallback{why=\"the fake device is lost\"} 1"));

  booth.gone = false;
  booth.sing(25);
  booth.tend();
  EXPECT_EQ(booth.loads, 2) << "tried again, after 30 s";
  booth.sing(8);
  EXPECT_EQ(booth.hertz(), 440) << "the device plays again";
  const EngineStatus back = booth.engine.status();
  EXPECT_EQ(back.device.returns, 1);
  EXPECT_EQ(notice_of(back), "");

  const RoomStatus status = booth.room->status();
  EXPECT_EQ(status.errors, 0) << "the window that the device did not make was made by the stand-in";
  EXPECT_EQ(status.gaps, 0);
  EXPECT_LE(status.stale, 1) << "at most the one that the failure made late";
  EXPECT_LT(booth.steepest(), kSteepest) << "no click where another one takes over";
}

TEST(Standby, TheDeviceIsTriedAgainAfterEverLongerWaits) {
  Booth booth;
  booth.open();
  booth.gone = true;
  booth.device->lose_device(true);
  booth.sing(2);
  std::vector<int> tried_at_s;
  for (int second = 0, loads = booth.loads; second < 1200; ++second) {
    booth.clock.advance(1s);
    booth.tend();
    if (booth.loads > loads) tried_at_s.push_back(second);
    loads = booth.loads;
  }
  ASSERT_EQ(tried_at_s.size(), 6u);
  for (size_t i = 1; i < tried_at_s.size(); ++i)
    EXPECT_EQ(tried_at_s[i] - tried_at_s[i - 1], std::min(30 << i, 300)) << "twice as long, no longer than 5 min";
  EXPECT_EQ(booth.engine.status().device.fallbacks, 1);
}

TEST(Standby, WindowsDoNotWaitForTheDeviceToBeLoaded) {
  Booth booth;
  booth.open();
  booth.device->lose_device(true);
  booth.sing(2);
  booth.clock.advance(31s);
  booth.standby.tend();
  booth.standby.tend();
  EXPECT_EQ(booth.work.size(), 1u) << "one attempt at a time";
  booth.sing(8);  // while it is loaded
  EXPECT_NEAR(static_cast<double>(booth.hertz()), 220, 1);
  EXPECT_EQ(booth.engine.status().device.returns, 0);
  booth.tend();
  booth.sing(6);
  EXPECT_EQ(booth.hertz(), 440);
}

TEST(Standby, AnErrorThatStaysIsALostDevice) {
  Booth booth;
  booth.open();
  booth.sing(6);
  booth.device->fail(true);
  booth.sing(2);
  EXPECT_EQ(booth.room->status().errors, 2) << "a batch that fails once is a lost window";
  EXPECT_EQ(booth.engine.status().device.fallbacks, 0);
  booth.sing(6);
  EXPECT_EQ(booth.room->status().errors, 2) << "the third time the stand-in makes it";
  EXPECT_EQ(booth.engine.status().device.fallbacks, 1);
  EXPECT_NEAR(static_cast<double>(booth.hertz()), 220, 1);
}

TEST(Standby, TheStandInTakesABatchInPiecesThatItWasPreparedFor) {
  Booth booth;
  booth.open();
  booth.device->lose_device(true);
  std::vector<std::shared_ptr<Room>> rooms = {booth.room};
  for (const char* name : {"b", "c", "d"}) rooms.push_back(booth.engine.open_room(name));
  const std::vector<float> voice(kBlock, 0.1f);
  for (int i = 0; i < 100; ++i) {
    for (auto& room : rooms) room->voice().push(voice);
    booth.clock.advance(20ms);
    booth.engine.step();
  }
  for (const auto& seen : booth.spare->seen()) EXPECT_EQ(seen.batch, 1u);
  for (auto& room : rooms) EXPECT_EQ(room->status().errors, 0) << room->name();
}

TEST(Standby, ADeviceThatIsNotThereAtTheStartIsAMistake) {
  FakeClock clock;
  const auto load = []() -> std::unique_ptr<model::Accompanist> { throw Error("no driver"); };
  EXPECT_THROW(Standby(load, std::make_unique<FakeAccompanist>(), clock), Error);
}

// The real thread.
TEST(Standby, LoadsBesideTheWindows) {
  FakeClock clock;
  std::atomic<int> loads{0};
  FakeAccompanist* device = nullptr;
  Standby standby(
      [&] {
        auto made = std::make_unique<FakeAccompanist>();
        made->be("paper", 64);
        if (++loads == 1) device = made.get();
        return made;
      },
      std::make_unique<FakeAccompanist>(), clock);
  standby.prepare(1);
  device->lose_device(true);
  std::vector<model::WindowResult> results(1);
  const std::vector<model::WindowRequest> requests(1, {.write_end = 480});
  standby.generate(requests, results);
  EXPECT_EQ(standby.preset(), "fake");
  clock.advance(31s);
  standby.tend();
  while (standby.device_status().returns == 0) {
    results = std::vector<model::WindowResult>(1);
    standby.generate(requests, results);
    ASSERT_EQ(results[0].audio.size(), 480u);
  }
  EXPECT_EQ(standby.preset(), "paper");
  EXPECT_EQ(loads, 2);
}

}  // namespace
}  // namespace fastsag::daemon::standby_test
