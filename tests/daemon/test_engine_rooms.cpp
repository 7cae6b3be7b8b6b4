// Several rooms at one model: who shares a batch, who goes first, and what one costs the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "daemon/engine.h"
#include "dsp/error.h"
#include "tests/support/fake_accompanist.h"
#include "tests/support/fake_clock.h"
#include "tests/support/hum.h"

namespace fastsag::daemon::engine_rooms_test {
namespace {

using namespace std::chrono_literals;
using test::FakeAccompanist;
using test::FakeClock;
using test::hum;
using Sound = FakeAccompanist::Sound;

constexpr int kRate = 48000;
constexpr int64_t kBlock = 960;  // 20 ms

TEST(EngineRooms, RoomsThatAreDueShareABatch) {
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

TEST(EngineRooms, AnyNumberOfRoomsIsServed) {
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
TEST(EngineRooms, OnACoreTheFirstRoomDoesNotWaitForTheLast) {
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
TEST(EngineRooms, RoomsThatAreDueAtOnceHearEveryWindowFromItsBegin) {
  Venue venue(3, {.max_batch = 1, .max_rooms = 3}, 1);
  venue.accompanist.take_each(200ms);
  venue.accompanist.on_generate = [&] { venue.catch_up(); };
  venue.sing_until(30);
  for (const auto& room : venue.rooms) EXPECT_EQ(room->status().windows, 30) << room->name();
  for (const auto& seen : venue.accompanist.seen())
    EXPECT_EQ(seen.known_end % (model::kSampleRate / 2), 0) << "hops of a second, the first of a half";
}

TEST(EngineRooms, TheNearestDeadlineGoesFirst) {
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

TEST(EngineRooms, WhereTheModelIsTooSlowForAllEachHasItsTurn) {
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

TEST(EngineRooms, NumbersThatAreNoneCostOneRoomItsWindow) {
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

}  // namespace
}  // namespace fastsag::daemon::engine_rooms_test
