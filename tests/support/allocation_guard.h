#pragma once
// Proof that code is fit for the audio callback: inside a RealTimeScope every allocation, deallocation and mutex lock
// of this thread is counted, and the end of the scope fails the test if there were any.
//
//   { test::RealTimeScope scope("limiter"); limiter.process(block); }
//
// It works by replacing malloc and its kin (dsp/heap_count.h) and pthread_mutex_lock for the whole test program.
// AddressSanitizer and ThreadSanitizer do the same, so under them it watches nothing and says so once.
// Threads: a scope watches the thread that made it. Keep assertions outside of it, they allocate.
#include <string>

#include "dsp/heap_count.h"

namespace fastsag::test {

bool allocation_guard_works();

class RealTimeScope {
 public:
  explicit RealTimeScope(std::string what);
  ~RealTimeScope();
  RealTimeScope(const RealTimeScope&) = delete;
  RealTimeScope& operator=(const RealTimeScope&) = delete;

 private:
  std::string what_;
  dsp::HeapCount heap_;  // when it began
  int64_t locks_ = 0;
};

}  // namespace fastsag::test
