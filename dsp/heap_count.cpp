#include "dsp/heap_count.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>

namespace {

// Of constant initialisation: no code runs, so nothing can allocate, at their first use.
thread_local constinit fastsag::dsp::HeapCount counted;
constinit std::atomic<int64_t> all{0};

[[maybe_unused]] void note_allocation() {
  ++counted.allocations;
  all.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

#if FASTSAG_COUNTS_HEAP
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
  if (memory) ++counted.deallocations;
  __libc_free(memory);
}
}  // extern "C"
#endif

namespace fastsag::dsp {

HeapCount heap_of_this_thread() { return counted; }
int64_t heap_allocations() { return all.load(std::memory_order_relaxed); }

}  // namespace fastsag::dsp
