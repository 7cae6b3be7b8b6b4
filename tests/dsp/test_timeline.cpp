#include "dsp/timeline.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <random>
#include <thread>
#include <vector>

#include "dsp/error.h"
#include "tests/support/allocation_guard.h"

namespace fastsag::dsp::timeline_test {
namespace {

constexpr int kRate = 48000;
constexpr int64_t kCrossfade = 1440, kFadeIn = 480, kFadeOut = 960;  // 30, 10 and 20 ms

// A constant level joined to another one may move by no more than the steepest gain times the level: a crossfade's
// gains turn by pi / 2 in 1440 samples (0.0011 a sample, 0.0016 where the scale of a low correlation helps), the
// fade-out by pi / 2 in 960 (0.0016); two of them at once on levels up to 1 stay below this. A click would be 0.4.
constexpr float kSteepest = 0.005f;

class Song {
 public:
  explicit Song(int64_t capacity = 10 * kRate) : timeline(capacity, kRate), reader(timeline.add_reader()) {}

  bool write(int64_t begin, int64_t final_end, int64_t reserve_end, auto&& value) {
    std::vector<float> samples(static_cast<size_t>(reserve_end - begin));
    for (int64_t i = 0; i < std::ssize(samples); ++i) samples[static_cast<size_t>(i)] = value(begin + i);
    return timeline.write({begin, final_end, samples});
  }
  bool write_level(int64_t begin, int64_t final_end, int64_t reserve_end, float level) {
    return write(begin, final_end, reserve_end, [level](int64_t) { return level; });
  }
  std::vector<float> read(int64_t begin, int64_t count) {
    std::vector<float> out(static_cast<size_t>(count));
    counts = timeline.read(reader, begin, out);
    EXPECT_EQ(counts.fresh + counts.stale + counts.gap + counts.waiting, count);
    return out;
  }

  Timeline timeline;
  int reader;
  Timeline::Read counts;
};

float sine(int64_t position, double hz, double phase = 0) {
  return static_cast<float>(std::sin(2 * std::numbers::pi * hz * static_cast<double>(position) / kRate + phase));
}

float largest_jump(std::span<const float> samples, float before = 0) {
  float largest = 0;
  for (const float sample : samples) {
    largest = std::max(largest, std::abs(sample - before));
    before = sample;
  }
  return largest;
}

TEST(Timeline, WaitsThenPlaysThenReserveThenFadesThenGap) {
  Song song;
  song.read(0, 1000);
  EXPECT_EQ(song.counts.waiting, 1000) << "no slice was ever written: that is no gap";
  ASSERT_TRUE(song.write_level(2000, 12000, 20000, 0.5f));
  EXPECT_EQ(song.timeline.final_end(), 12000);
  EXPECT_EQ(song.timeline.reserve_end(), 20000);
  const auto out = song.read(1000, 24000);
  EXPECT_EQ(song.counts.waiting, 1000);
  EXPECT_EQ(song.counts.fresh, 10000);
  EXPECT_EQ(song.counts.stale, 8000);
  EXPECT_EQ(song.counts.gap, 5000);
  const auto at = [&](int64_t position) { return out[static_cast<size_t>(position - 1000)]; };
  EXPECT_EQ(at(1999), 0);
  EXPECT_EQ(at(2000 + kFadeIn), 0.5f);
  EXPECT_EQ(at(20000 - kFadeOut), 0.5f);
  EXPECT_NEAR(at(20000 - kFadeOut / 2), 0.25f, 1e-5) << "half way down";
  EXPECT_LT(at(19999), 1e-5);
  EXPECT_EQ(at(20000), 0);
  EXPECT_LT(largest_jump(out), 0.5f * kSteepest);
}

TEST(Timeline, TheFirstSampleOfASongIsNotFaded) {
  Song song;
  ASSERT_TRUE(song.write_level(0, 1000, 5000, 0.5f));
  EXPECT_EQ(song.read(0, 100), std::vector<float>(100, 0.5f));
}

TEST(Timeline, SlicesThatAgreeAreJoinedWithoutATrace) {
  Song song;
  const auto value = [](int64_t position) { return 0.5f * sine(position, 440); };
  for (int64_t begin = 0; begin < 4 * kRate; begin += kRate)
    ASSERT_TRUE(song.write(begin, begin + kRate, begin + 2 * kRate, value));
  const auto out = song.read(0, 4 * kRate);
  EXPECT_EQ(song.counts.fresh, 4 * kRate);
  for (int64_t i = 0; i < std::ssize(out); ++i) ASSERT_NEAR(out[static_cast<size_t>(i)], value(i), 1e-6) << i;
}

// A sine of amplitude a moves by no more than a * w a sample (w = 2 pi f / rate). Gains of a crossfade add up to at
// most 2.31 (two sines that cancel out) and turn by at most pi a 1440 samples.
TEST(Timeline, SinesOfAnyPhaseAndLevelAreJoinedWithoutAClick) {
  std::mt19937 random(31);
  std::uniform_real_distribution<double> any(0, 1);
  constexpr double kHz = 220, kStep = 2 * std::numbers::pi * kHz / kRate;
  for (int trial = 0; trial < 10; ++trial) {
    Song song(60 * kRate);
    int64_t begin = 0;
    for (int slice = 0; slice < 30; ++slice) {
      const double phase = 2 * std::numbers::pi * any(random), level = 0.1 + 0.9 * any(random);
      const int64_t hop = std::uniform_int_distribution<int64_t>(2 * kCrossfade, kRate / 2)(random);
      ASSERT_TRUE(song.write(begin, begin + hop, begin + hop + kRate / 2,
                             [&](int64_t p) { return static_cast<float>(level) * sine(p, kHz, phase); }));
      begin += hop;
    }
    const auto out = song.read(0, begin);
    EXPECT_EQ(song.counts.fresh, begin);
    EXPECT_LT(largest_jump(out, out[0]), 2.31 * kStep + std::numbers::pi / kCrossfade);
  }
}

TEST(Timeline, ALateSliceIsDroppedAndChangesNothing) {
  Song song;
  ASSERT_TRUE(song.write_level(0, 10000, 30000, 0.5f));
  song.read(0, 10001);
  EXPECT_FALSE(song.write_level(10000, 20000, 40000, 1.0f)) << "one sample late";
  EXPECT_EQ(song.timeline.dropped(), 1);
  EXPECT_EQ(song.timeline.written(), 1);
  EXPECT_EQ(song.timeline.final_end(), 10000);
  EXPECT_EQ(song.read(10001, 5000), std::vector<float>(5000, 0.5f));
  EXPECT_EQ(song.counts.stale, 5000);
  EXPECT_TRUE(song.write_level(15001, 20000, 40000, 1.0f)) << "just in time";
  const auto out = song.read(15001, 3000);
  EXPECT_LT(largest_jump(out, 0.5f), kSteepest);
  EXPECT_EQ(out.back(), 1.0f);
}

TEST(Timeline, TheSlowestReaderDoesNotMatterTheFastestDoes) {
  Song song;
  const int other = song.timeline.add_reader();
  ASSERT_TRUE(song.write_level(0, 10000, 30000, 0.5f));
  std::vector<float> out(12000);
  song.timeline.read(other, 0, out);
  song.read(0, 100);
  EXPECT_FALSE(song.write_level(10000, 20000, 40000, 1.0f));
  song.timeline.remove_reader(other);
  EXPECT_TRUE(song.write_level(10000, 20000, 40000, 1.0f)) << "who has left has no say";
}

TEST(Timeline, ASliceAfterAGapFadesIn) {
  Song song;
  ASSERT_TRUE(song.write_level(0, 5000, 8000, 0.8f));
  ASSERT_TRUE(song.write_level(10000, 20000, 25000, 0.8f));
  const auto out = song.read(0, 20000);
  EXPECT_EQ(song.counts.gap, 2000);
  EXPECT_EQ(out[9999], 0);
  EXPECT_EQ(out[10000 + kFadeIn], 0.8f);
  EXPECT_LT(largest_jump(out, 0.8f), kSteepest);
}

// The reader is in the fade-out when the next slice comes: it goes on from where the reader is.
TEST(Timeline, ASliceInTheMiddleOfTheFadeOutContinuesIt) {
  Song song;
  ASSERT_TRUE(song.write_level(0, 5000, 8000, 0.8f));
  const auto before = song.read(0, 7500);
  EXPECT_NEAR(before.back(), 0.8f * 0.5f * (1 + std::cos(std::numbers::pi_v<float> * 459 / 960)), 1e-4);
  ASSERT_TRUE(song.write_level(7500, 20000, 25000, 0.8f));
  const auto after = song.read(7500, 5000);
  EXPECT_LT(largest_jump(after, before.back()), kSteepest);
  EXPECT_EQ(after.back(), 0.8f);
}

TEST(Timeline, SlicesWithoutReserveDipButDoNotClick) {
  Song song;
  for (int64_t begin = 0; begin < 5 * kRate; begin += kRate)
    ASSERT_TRUE(song.write_level(begin, begin + kRate, begin + kRate, 0.8f));
  const auto out = song.read(0, 5 * kRate - kFadeOut);
  EXPECT_EQ(song.counts.fresh, 5 * kRate - kFadeOut);
  EXPECT_LT(largest_jump(out, 0.8f), kSteepest);
}

TEST(Timeline, PositionsFarBehindAreGap) {
  Song song(kRate);
  for (int64_t begin = 0; begin < 20 * kRate; begin += kRate / 2)
    ASSERT_TRUE(song.write_level(begin, begin + kRate / 2, begin + kRate, 0.5f));
  song.read(0, kRate);
  EXPECT_EQ(song.counts.gap, kRate);
  const auto out = song.read(19 * kRate, kRate);
  EXPECT_EQ(song.counts.fresh, kRate) << "the capacity is kept behind the newest slice";
  EXPECT_EQ(out.back(), 0.5f);
}

TEST(Timeline, AReaderThatJumpsDoesNotClick) {
  Song song;
  ASSERT_TRUE(song.write_level(0, 3 * kRate, 4 * kRate, 1.0f));
  ASSERT_TRUE(song.write_level(3 * kRate, 6 * kRate, 7 * kRate, 0.2f));
  std::vector<float> heard = song.read(0, 1000);
  for (const int64_t begin : std::to_array<int64_t>({4 * kRate, 500, 9 * kRate, 2000}))
    for (int64_t block = 0; block < 10; ++block) {
      const auto out = song.read(begin + block * 128, 128);
      heard.insert(heard.end(), out.begin(), out.end());
    }
  EXPECT_LT(largest_jump(heard, 1.0f), kSteepest);
  EXPECT_EQ(heard[1000 + 1279], 0.2f) << "20 ms after the jump only the new place is heard";
}

TEST(Timeline, AResetFadesOutAndStartsAnew) {
  Song song;
  ASSERT_TRUE(song.write_level(0, kRate, 2 * kRate, 0.8f));
  const auto before = song.read(0, 1000);
  song.timeline.reset(100);
  EXPECT_EQ(song.timeline.final_end(), 100);
  const auto after = song.read(1000, 2000);
  EXPECT_EQ(song.counts.waiting, 2000);
  EXPECT_LT(largest_jump(after, before.back()), kSteepest);
  EXPECT_EQ(after[kFadeOut], 0);
  song.timeline.reset(0);
  ASSERT_TRUE(song.write_level(0, kRate, 2 * kRate, 0.5f)) << "cursors of the last song do not count";
  const auto anew = song.read(0, 2000);
  EXPECT_EQ(anew[kFadeOut], 0.5f);
  EXPECT_LT(largest_jump(anew), kSteepest) << "it fades in under what was heard before, which was silence";
}

TEST(Timeline, SlicesThatContradictThemselvesAreRefused) {
  Song song(kRate);
  EXPECT_THROW(song.write_level(100, 100, 200, 1), Error) << "nothing final";
  EXPECT_THROW(song.write_level(100, 300, 200, 1), Error) << "final beyond its samples";
  EXPECT_THROW(song.write_level(0, 100, 100 * kRate, 1), Error) << "longer than the timeline";
  EXPECT_EQ(song.timeline.written(), 0);
}

TEST(Timeline, HasRoomForFourReaders) {
  Song song;
  for (int i = 1; i < Timeline::kMaxReaders; ++i) song.timeline.add_reader();
  EXPECT_THROW(song.timeline.add_reader(), Error);
  song.timeline.remove_reader(2);
  EXPECT_EQ(song.timeline.add_reader(), 2);
}

// Any slices (early, late, before the last one, with gaps, with short reserves), any blocks, two readers at different
// places: no click ever, and the counts tell what was heard.
TEST(Timeline, NeverClicks) {
  std::mt19937 random(32);
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  constexpr float kLevels[] = {0.2f, 0.6f, 1.0f};
  int64_t dropped = 0, gap = 0, stale = 0, fresh = 0;
  for (int trial = 0; trial < 20; ++trial) {
    Song song;
    const std::array<int, 2> readers = {song.reader, song.timeline.add_reader()};
    std::array<int64_t, 2> next = {0, -draw(0, 20000)};
    std::array<float, 2> last = {0, 0};
    int64_t write_at = draw(1, 3000);
    for (int step = 0; step < 400; ++step) {
      if (draw(0, 3) == 0) {
        const int64_t begin = write_at + (draw(0, 4) == 0 ? draw(-3000, 3000) : 0), size = draw(1500, 9000);
        song.write_level(begin, begin + size, begin + size + draw(0, 5000), kLevels[draw(0, 2)]);
        write_at = std::max(begin + size, next[0] + draw(0, 4000));
      }
      for (size_t i = 0; i < 2; ++i) {
        std::vector<float> out(static_cast<size_t>(draw(1, 2000)));
        const auto counts = song.timeline.read(readers[i], next[i], out);
        ASSERT_EQ(counts.fresh + counts.stale + counts.gap + counts.waiting, std::ssize(out));
        ASSERT_LE(std::ranges::count_if(out, [](float x) { return x != 0; }), counts.fresh + counts.stale);
        ASSERT_LT(largest_jump(out, last[i]), kSteepest)
            << "trial " << trial << ", reader " << i << ", from " << next[i];
        last[i] = out.back();
        next[i] += std::ssize(out);
        gap += counts.gap, stale += counts.stale, fresh += counts.fresh;
      }
    }
    dropped += song.timeline.dropped();
  }
  EXPECT_GT(std::min({dropped, gap / 1000, stale / 1000, fresh / 1000}), 20) << "the test must meet every case";
}

// Readers run as fast as they can while the writer aims at the very sample that they are about to read. Who comes first
// is decided anew each time; whatever is decided, nobody hears a click.
TEST(Timeline, NeverClicksBetweenThreads) {
  constexpr int kReaders = 2;
  constexpr int64_t kBlock = 128, kBlocks = 4000;
  constexpr float kLevels[] = {0.2f, 0.6f, 1.0f};
  Timeline timeline(4 * kRate, kRate);
  ASSERT_EQ(timeline.add_reader(), 0);
  ASSERT_EQ(timeline.add_reader(), 1);
  ASSERT_TRUE(timeline.write({0, 1000, std::vector<float>(3000, 0.6f)}));
  std::array<std::atomic<int64_t>, kReaders> positions{};
  std::atomic<int64_t> attempts{0};
  std::atomic<int> reading{kReaders};
  std::array<float, kReaders> jumps{};
  std::array<Timeline::Read, kReaders> totals;
  const auto play = [&](size_t id) {
    std::vector<float> out(kBlock);
    float last = 0.6f;
    int64_t attempts_seen = -1;
    for (int64_t block = 0; block < kBlocks; ++block) {
      positions[id] = block * kBlock;
      // Nobody runs away from the others, on however few cores.
      while (attempts.load() == attempts_seen || positions[1 - id].load() + 8 * kBlock < block * kBlock)
        std::this_thread::yield();
      attempts_seen = attempts.load();
      const auto counts = timeline.read(static_cast<int>(id), block * kBlock, out);
      totals[id].fresh += counts.fresh;
      totals[id].stale += counts.stale;
      totals[id].gap += counts.gap;
      jumps[id] = std::max(jumps[id], largest_jump(out, last));
      last = out.back();
    }
    positions[id] = kBlocks * kBlock;
    --reading;
  };
  std::thread first(play, 0), second(play, 1);
  std::mt19937 random(33);
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  int64_t last_begin = 0;
  for (; reading > 0; ++attempts) {
    const int64_t begin = std::max(positions[0].load(), positions[1].load()) + draw(-kBlock, 2 * kBlock),
                  size = draw(4000, 8000);
    std::this_thread::yield();
    if (begin < last_begin + kCrossfade) continue;  // crossfades within crossfades are steeper than one
    if (timeline.write({begin, begin + size / 2, std::vector<float>(static_cast<size_t>(size), kLevels[draw(0, 2)])}))
      last_begin = begin;
  }
  first.join();
  second.join();
  for (size_t id = 0; id < kReaders; ++id) {
    EXPECT_LT(jumps[id], kSteepest) << "reader " << id;
    EXPECT_EQ(totals[id].fresh + totals[id].stale + totals[id].gap, kBlock * kBlocks);
  }
  EXPECT_GT(timeline.written(), 100) << "the test must have joined slices";
}

TEST(Timeline, ReadersAreRealTimeSafe) {
  Song song;
  ASSERT_TRUE(song.write_level(0, kRate, 2 * kRate, 0.5f));
  ASSERT_TRUE(song.write_level(kRate, 2 * kRate, 3 * kRate, 0.5f));
  std::vector<float> out(480);
  test::RealTimeScope scope("timeline reader");
  for (int64_t begin = 0; begin < 4 * kRate; begin += 480) song.timeline.read(song.reader, begin, out);
  song.timeline.read(song.reader, 1234, out);  // a jump
}

}  // namespace
}  // namespace fastsag::dsp::timeline_test
