#include "dsp/pool.h"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/allocation_guard.h"

namespace fastsag::dsp {
namespace {

TEST(Pool, GivesAgainWhatItWasGivenBack) {
  if (!test::allocation_guard_works()) GTEST_SKIP() << "under a sanitizer it is the heap";
  const auto grow = [](int count) {
    Pooled<int> numbers;
    for (int i = 0; i < count; ++i) numbers.push_back(i);
    return numbers;
  };
  grow(100'000);
  const auto before = heap_of_this_thread().allocations;
  grow(100'000);
  grow(5);
  EXPECT_EQ(heap_of_this_thread().allocations, before);
}

TEST(Pool, TakesBackFromAnyThread) {
  const auto make = [] { return Pooled<double>(3000, 1.5); };
  for (int round = 0; round < 100; ++round) {
    Pooled<double> passed = make();
    std::jthread([&passed] { Pooled<double>().swap(passed); });
    const Pooled<double> next = make();
    ASSERT_EQ(next, std::vector<double>(3000, 1.5));
  }
}

TEST(Pool, BlocksThatLiveAtOnceDoNotOverlap) {
  std::vector<Pooled<uint8_t>> all;
  for (size_t i = 0; i < 2000; ++i) all.emplace_back(1 + i * 7 % 5000, static_cast<uint8_t>(i));
  for (size_t i = 0; i < all.size(); ++i)
    for (const uint8_t byte : all[i]) ASSERT_EQ(byte, static_cast<uint8_t>(i));
}

}  // namespace
}  // namespace fastsag::dsp
