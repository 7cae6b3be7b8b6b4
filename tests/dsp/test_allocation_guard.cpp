// The guard itself: a guard that lets things pass would make every real-time test worthless.
#include "tests/support/allocation_guard.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace fastsag::test {
namespace {

#define SKIP_WITHOUT_GUARD() \
  if (!allocation_guard_works()) GTEST_SKIP() << "a sanitizer owns malloc in this build"

TEST(AllocationGuard, CatchesNew) {
  SKIP_WITHOUT_GUARD();
  EXPECT_NONFATAL_FAILURE(
      {
        RealTimeScope scope("growing");
        std::vector<int> numbers;
        numbers.push_back(1);
      },
      "growing is not real-time safe: 1 allocations, 1 deallocations, 0 mutex locks");
}

TEST(AllocationGuard, CatchesMalloc) {
  SKIP_WITHOUT_GUARD();
  void* memory = nullptr;
  EXPECT_NONFATAL_FAILURE(
      {
        RealTimeScope scope("malloc");
        memory = realloc(malloc(10), 1000);
        asm volatile("" : : "r"(memory) : "memory");
      },
      "2 allocations");
  free(memory);
}

TEST(AllocationGuard, CatchesAMutex) {
  SKIP_WITHOUT_GUARD();
  std::mutex mutex;
  EXPECT_NONFATAL_FAILURE(
      {
        RealTimeScope scope("locking");
        std::lock_guard lock(mutex);
      },
      "0 allocations, 0 deallocations, 1 mutex locks");
}

TEST(AllocationGuard, WatchesOnlyItsOwnThread) {
  std::vector<std::unique_ptr<int>> kept;
  std::atomic<bool> go{false}, done{false};
  std::thread other([&] {
    while (!go.load()) std::this_thread::yield();
    kept.push_back(std::make_unique<int>(1));
    done = true;
  });
  {
    RealTimeScope scope("waiting");
    go = true;
    while (!done.load()) std::this_thread::yield();
  }
  other.join();
  EXPECT_EQ(kept.size(), 1u);
}

}  // namespace
}  // namespace fastsag::test
