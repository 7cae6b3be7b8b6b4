#include "daemon/window_schedule.h"

#include <gtest/gtest.h>

#include <random>

namespace fastsag::daemon {
namespace {

constexpr SliceSettings kSettings{24000, 21600, 36000};
constexpr int64_t kFarBack = -1'000'000'000;  // everything is in time

WindowSchedule::Time delayed_at(int64_t voice_end, int64_t earliest = kFarBack) {
  return {voice_end, 0, earliest, 2400};
}

TEST(WindowSchedule, GridRoundsDownAndUpOnBothSidesOfZero) {
  EXPECT_EQ(grid_floor(-1, 480), -480);
  EXPECT_EQ(grid_floor(-480, 480), -480);
  EXPECT_EQ(grid_floor(959, 480), 480);
  EXPECT_EQ(grid_ceil(-1, 480), 0);
  EXPECT_EQ(grid_ceil(481, 480), 960);
  EXPECT_EQ(grid_ceil(960, 480), 960);
}

TEST(WindowSchedule, DelayedWritesHopsOnceTheirContextIsHeard) {
  WindowSchedule schedule(kSettings);
  EXPECT_FALSE(schedule.due(Mode::delayed, delayed_at(12000 + 21600 - 1)));
  auto slice = schedule.due(Mode::delayed, delayed_at(12000 + 21600));
  ASSERT_TRUE(slice) << "half a hop and its context";
  EXPECT_EQ(*slice, (SliceSpan{0, 12000, 48000}));
  schedule.advance(*slice);
  EXPECT_FALSE(schedule.due(Mode::delayed, delayed_at(24000 + 21600 - 1)));
  slice = schedule.due(Mode::delayed, delayed_at(24000 + 21600 + 7));
  ASSERT_TRUE(slice);
  EXPECT_EQ(*slice, (SliceSpan{12000, 24000, 60000}));
  EXPECT_EQ(schedule.overdue(Mode::delayed, delayed_at(24000 + 21600 + 7), *slice), 7);
  schedule.advance(*slice);
  slice = schedule.due(Mode::delayed, delayed_at(48000 + 21600));
  ASSERT_TRUE(slice);
  EXPECT_EQ(*slice, (SliceSpan{24000, 48000, 84000}));
}

TEST(WindowSchedule, LiveWritesAheadByTheLead) {
  WindowSchedule schedule(kSettings);
  const auto at = [](int64_t voice_end, int64_t lead) {
    return WindowSchedule::Time{voice_end, lead, voice_end + lead - 2400, 2400};
  };
  EXPECT_FALSE(schedule.due(Mode::live, at(11999, 12000))) << "half a hop must be heard first";
  auto slice = schedule.due(Mode::live, at(12000, 12000));
  ASSERT_TRUE(slice);
  EXPECT_EQ(*slice, (SliceSpan{24000, 48000, 84000}));
  schedule.advance(*slice);
  EXPECT_FALSE(schedule.due(Mode::live, at(35999, 12000)));
  slice = schedule.due(Mode::live, at(36100, 12000));
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->begin, 48000) << "100 samples late are within the margin: the slices stay joined";
  schedule.advance(*slice);
  slice = schedule.due(Mode::live, at(72000 - 20000, 20000));
  ASSERT_TRUE(slice) << "a lead that grows makes it due earlier";
  EXPECT_EQ(slice->begin, 72000);
}

TEST(WindowSchedule, ALateWindowBeginsWhereItCanStillBeInTime) {
  WindowSchedule schedule(kSettings);
  schedule.advance({0, 24000, 60000});
  const auto slice = schedule.due(Mode::delayed, delayed_at(72000 + 21600, 30001));
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->begin, grid_ceil(30001 + 2400, 480)) << "what comes before plays out of the reserve";
  EXPECT_EQ(slice->end, 72000) << "one window catches up with all that is heard";
  EXPECT_FALSE(schedule.due(Mode::delayed, delayed_at(72000 + 21600, 71000))) << "nothing left to be in time for";
}

TEST(WindowSchedule, AReserveAlwaysOutlastsALostWindow) {
  WindowSchedule schedule({24000, 0, 100});
  const auto slice = schedule.due(Mode::delayed, delayed_at(24000));
  ASSERT_TRUE(slice);
  EXPECT_GE(slice->reserve_end - slice->end, 24000 + 6000);
}

// Whatever the lead does and whenever it is asked: slices ascend, lie on the grid, and join unless one would be late.
TEST(WindowSchedule, SlicesJoinUnlessLate) {
  std::mt19937 random(7);
  for (int run = 0; run < 200; ++run) {
    const Mode mode = run % 2 ? Mode::live : Mode::delayed;
    WindowSchedule schedule(kSettings);
    schedule.start(static_cast<int64_t>(random() % 100000));
    int64_t voice_end = 0, last_end = -1;
    for (int i = 0; i < 300; ++i) {
      voice_end += random() % 20 ? 480 : random() % 60000;
      const int64_t generation = 2400 + random() % 4800;
      const int64_t earliest = mode == Mode::live ? voice_end + generation : voice_end - 52800 + generation;
      const auto slice = schedule.due(mode, {voice_end, generation + 2400, earliest, 2400});
      if (!slice) continue;
      ASSERT_EQ(slice->begin % 480 + slice->end % 480 + slice->reserve_end % 480, 0);
      ASSERT_LT(slice->begin, slice->end);
      ASSERT_GE(slice->begin, earliest);
      if (last_end >= 0 && last_end >= earliest) {
        ASSERT_EQ(slice->begin, last_end);
      }
      if (mode == Mode::delayed) {
        ASSERT_LE(slice->end, voice_end - 21600);
      }
      last_end = slice->end;
      schedule.advance(*slice);
    }
  }
}

}  // namespace
}  // namespace fastsag::daemon
