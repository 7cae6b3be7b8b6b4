#pragma once
// Counts what a program asks of the heap. A program that links the library fastsag_heap_count has malloc and its kin
// replaced by glibc's own with a counter before them: fastsag, for its bench, and the tests; never fastsagd.
//
// AddressSanitizer and ThreadSanitizer do the same, so in their builds it counts nothing.
#include <cstdint>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FASTSAG_COUNTS_HEAP 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FASTSAG_COUNTS_HEAP 0
#endif
#endif
#ifndef FASTSAG_COUNTS_HEAP
#define FASTSAG_COUNTS_HEAP 1
#endif

namespace fastsag::dsp {

struct HeapCount {
  int64_t allocations = 0, deallocations = 0;
};

constexpr bool counts_heap() { return FASTSAG_COUNTS_HEAP; }
HeapCount heap_of_this_thread();  // since it began
int64_t heap_allocations();       // of all threads, since the program began

}  // namespace fastsag::dsp
