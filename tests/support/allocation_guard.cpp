#include "tests/support/allocation_guard.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <utility>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FASTSAG_ALLOCATION_GUARD 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FASTSAG_ALLOCATION_GUARD 0
#endif
#endif
#ifndef FASTSAG_ALLOCATION_GUARD
#define FASTSAG_ALLOCATION_GUARD 1
#endif

namespace fastsag::test {
namespace {

// Plain thread-locals of constant initialisation: no code runs, so nothing can allocate, at their first use.
struct Watch {
  bool on = false;
  int allocations = 0, deallocations = 0, locks = 0;
};
thread_local constinit Watch watch;

}  // namespace
}  // namespace fastsag::test

#if FASTSAG_ALLOCATION_GUARD

namespace {
void note(int fastsag::test::Watch::*counter) {
  if (fastsag::test::watch.on) ++(fastsag::test::watch.*counter);
}
void note_allocation() { note(&fastsag::test::Watch::allocations); }
}  // namespace

extern "C" {
// glibc's own, under the names that it keeps for those who replace the public ones.
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

void* malloc(size_t size) {
  note_allocation();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  note_allocation();
  return __libc_calloc(count, size);
}
void* realloc(void* old, size_t size) {
  note_allocation();
  return __libc_realloc(old, size);
}
void* memalign(size_t alignment, size_t size) {
  note_allocation();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  note_allocation();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, size_t alignment, size_t size) {
  note_allocation();
  void* memory = __libc_memalign(alignment, size);
  if (!memory) return ENOMEM;
  *out = memory;
  return 0;
}
void free(void* memory) {
  if (memory) note(&fastsag::test::Watch::deallocations);
  __libc_free(memory);
}

int pthread_mutex_lock(pthread_mutex_t* mutex) {
  using Lock = int (*)(pthread_mutex_t*);
  static std::atomic<Lock> real{nullptr};
  note(&fastsag::test::Watch::locks);
  Lock lock = real.load(std::memory_order_acquire);
  if (!lock) {
    lock = reinterpret_cast<Lock>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
    real.store(lock, std::memory_order_release);
  }
  return lock(mutex);
}
}  // extern "C"

#endif

namespace fastsag::test {

bool allocation_guard_works() {
  if (!FASTSAG_ALLOCATION_GUARD) {
    static std::once_flag once;
    std::call_once(once, [] { std::puts("allocation guard: off, a sanitizer owns malloc in this build"); });
  }
  return FASTSAG_ALLOCATION_GUARD;
}

RealTimeScope::RealTimeScope(std::string what) : what_(std::move(what)) {
  watch = {.on = allocation_guard_works(), .allocations = 0, .deallocations = 0, .locks = 0};
}

RealTimeScope::~RealTimeScope() {
  const Watch seen = std::exchange(watch, {});
  if (seen.allocations + seen.deallocations + seen.locks > 0)
    ADD_FAILURE() << what_ << " is not real-time safe: " << seen.allocations << " allocations, " << seen.deallocations
                  << " deallocations, " << seen.locks << " mutex locks inside its RealTimeScope";
}

}  // namespace fastsag::test
