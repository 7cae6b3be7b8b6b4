#include "dsp/ring_buffer.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>
#include <vector>

#include "tests/support/allocation_guard.h"

namespace fastsag::dsp {
namespace {

// What is written at a position, never 0, so that zeros are seen to be missing samples. Exact in float.
float sample_at(int64_t position) { return static_cast<float>(1 + position % 1000003); }

std::vector<float> samples_at(int64_t begin, int64_t count) {
  std::vector<float> samples(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) samples[static_cast<size_t>(i)] = sample_at(begin + i);
  return samples;
}

TEST(RingBuffer, GivesWhatWasWrittenAtItsPosition) {
  RingBuffer ring(1000);
  EXPECT_EQ(ring.capacity(), 1024) << "the next power of two";
  ring.write(samples_at(0, 700));
  EXPECT_EQ(ring.end(), 700);
  std::vector<float> out(300);
  const auto result = ring.read(250, out);
  EXPECT_EQ(result.missing_old, 0);
  EXPECT_EQ(result.missing_new, 0);
  EXPECT_EQ(out, samples_at(250, 300));
  EXPECT_EQ(ring.overruns() + ring.underruns(), 0);
}

TEST(RingBuffer, CountsWhatIsNotYetThereAndWhatIsGone) {
  RingBuffer ring(64);
  ring.write(samples_at(0, 100));
  std::vector<float> out(100, -1.0f);
  auto result = ring.read(20, out);  // 64 of capacity: 36 .. 99 are there
  EXPECT_EQ(result.missing_old, 16);
  EXPECT_EQ(result.missing_new, 20);
  EXPECT_EQ(out[15], 0);
  EXPECT_EQ(out[16], sample_at(36));
  EXPECT_EQ(out[79], sample_at(99));
  EXPECT_EQ(out[80], 0);
  EXPECT_EQ(ring.overruns(), 1);
  EXPECT_EQ(ring.underruns(), 1);
}

TEST(RingBuffer, BeforeTheSongIsSilenceButNoOverrun) {
  RingBuffer ring(64);
  ring.write(samples_at(0, 10));
  std::vector<float> out(10);
  EXPECT_EQ(ring.read(-4, out).missing_old, 4);
  EXPECT_EQ(out[3], 0);
  EXPECT_EQ(out[4], sample_at(0));
  EXPECT_EQ(ring.overruns(), 0) << "nothing was lost";
}

TEST(RingBuffer, AJumpInTimeIsSilence) {
  RingBuffer ring(64);
  ring.write(samples_at(0, 60));
  ring.write_silence(1'000'000'000'000);  // must take no time
  EXPECT_EQ(ring.end(), 1'000'000'000'060);
  ring.write(samples_at(ring.end(), 4));
  std::vector<float> out(8, -1.0f);
  const auto result = ring.read(ring.end() - 8, out);
  EXPECT_EQ(result.missing_old + result.missing_new, 0);
  EXPECT_EQ(out[3], 0);
  EXPECT_EQ(out[4], sample_at(ring.end() - 4));
}

// Against a model that keeps everything: 2000 random writes, silences and reads on rings of random capacity.
TEST(RingBuffer, EqualsAnEndlessTape) {
  std::mt19937 random(7);
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int trial = 0; trial < 20; ++trial) {
    RingBuffer ring(draw(1, 300));
    std::vector<float> tape;
    int64_t overruns = 0, underruns = 0;
    for (int step = 0; step < 100; ++step) {
      const auto end = static_cast<int64_t>(tape.size());
      if (draw(0, 9) == 0) {
        const int64_t count = draw(0, 700);
        ring.write_silence(count);
        tape.resize(tape.size() + static_cast<size_t>(count), 0.0f);
      } else {
        const auto samples = samples_at(end, draw(0, 700));
        ring.write(samples);
        tape.insert(tape.end(), samples.begin(), samples.end());
      }
      const auto now = static_cast<int64_t>(tape.size());
      const int64_t begin = draw(-50, now + 50), count = draw(0, 400);
      std::vector<float> out(static_cast<size_t>(count), -1.0f);
      const auto result = ring.read(begin, out);
      int64_t old = 0, fresh = 0;
      bool lost = false;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t p = begin + i;
        const bool is_new = p >= now, is_old = !is_new && (p < 0 || p < now - ring.capacity());
        old += is_old;
        fresh += is_new;
        lost |= is_old && p >= 0;
        ASSERT_EQ(out[static_cast<size_t>(i)], is_new || is_old ? 0 : tape[static_cast<size_t>(p)]) << "position " << p;
      }
      ASSERT_EQ(result.missing_old, old);
      ASSERT_EQ(result.missing_new, fresh);
      ASSERT_EQ(ring.overruns(), overruns += lost);
      ASSERT_EQ(ring.underruns(), underruns += fresh > 0);
    }
  }
}

// The writer laps the reader all the time: every sample returned is the right one or is reported missing, never another
// lap's.
TEST(RingBuffer, NeverTornBetweenThreads) {
  RingBuffer ring(256);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    std::mt19937 random(3);
    while (!done) ring.write(samples_at(ring.end(), std::uniform_int_distribution<int64_t>(1, 90)(random)));
  });
  while (ring.end() < 1000) std::this_thread::yield();
  std::mt19937 random(4);
  int64_t got = 0, wrong = 0;
  std::vector<float> out(200);
  for (int reads = 0; reads < 60'000; ++reads) {
    const int64_t begin = ring.end() - std::uniform_int_distribution<int64_t>(100, 256)(random);
    const auto result = ring.read(begin, out);
    for (int64_t i = 0; i < std::ssize(out); ++i) {
      const bool missing = i < result.missing_old || i >= std::ssize(out) - result.missing_new;
      wrong += out[static_cast<size_t>(i)] != (missing ? 0 : sample_at(begin + i));
      got += !missing;
    }
  }
  done = true;
  writer.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(got, 60'000) << "the test must have seen samples";
}

TEST(RingBuffer, IsRealTimeSafe) {
  RingBuffer ring(4096);
  const auto in = samples_at(0, 480);
  std::vector<float> out(480);
  test::RealTimeScope scope("ring buffer");
  for (int i = 0; i < 20; ++i) {
    ring.write(in);
    ring.write_silence(10);
    ring.read(ring.end() - 480, out);
  }
}

}  // namespace
}  // namespace fastsag::dsp
