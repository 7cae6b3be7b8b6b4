#include "tests/support/allocation_guard.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cstdio>
#include <mutex>
#include <utility>

namespace fastsag::test {
namespace {

// A plain thread-local of constant initialisation: no code runs, so nothing can allocate, at its first use.
thread_local constinit int64_t locks = 0;

}  // namespace
}  // namespace fastsag::test

#if FASTSAG_COUNTS_HEAP
extern "C" int pthread_mutex_lock(pthread_mutex_t* mutex) {
  using Lock = int (*)(pthread_mutex_t*);
  static std::atomic<Lock> real{nullptr};
  ++fastsag::test::locks;
  Lock lock = real.load(std::memory_order_acquire);
  if (!lock) {
    lock = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
    real.store(lock, std::memory_order_release);
  }
  return lock(mutex);
}
#endif

namespace fastsag::test {

bool allocation_guard_works() {
  if (!dsp::counts_heap()) {
    static std::once_flag once;
    std::call_once(once, [] { std::puts("allocation guard: off, a sanitizer owns malloc in this build"); });
  }
  return dsp::counts_heap();
}

RealTimeScope::RealTimeScope(std::string what) : what_(std::move(what)) {
  if (!allocation_guard_works()) return;
  heap_ = dsp::heap_of_this_thread();
  locks_ = locks;
}

RealTimeScope::~RealTimeScope() {
  if (!dsp::counts_heap()) return;
  const dsp::HeapCount heap = dsp::heap_of_this_thread();
  const int64_t allocations = heap.allocations - heap_.allocations;
  const int64_t deallocations = heap.deallocations - heap_.deallocations, locked = locks - locks_;
  if (allocations + deallocations + locked > 0)
    ADD_FAILURE() << what_ << " is not real-time safe: " << allocations << " allocations, " << deallocations
                  << " deallocations, " << locked << " mutex locks inside its RealTimeScope";
}

}  // namespace fastsag::test
