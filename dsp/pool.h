#pragma once
// Vectors whose memory comes from a store that keeps what it is given back: for what a window makes on its way and lets
// go again. After the first windows of a song the heap is not asked any more (tests/model/test_allocations.cpp).
//
// Blocks are powers of two, small ones cut out of one piece, so a window that needs a little more than those before it
// finds it here. The store holds at most twice what was ever in use at once, and never gives it back.
// Threads: any; a vector may end on another thread than it began on. A lock is held for a few instructions.
// Under AddressSanitizer and ThreadSanitizer it is the heap, whose mistakes they know.
#include <algorithm>
#include <cstddef>
#include <vector>

namespace fastsag::dsp {

void* take_block(size_t bytes);
void give_block(void* block, size_t bytes) noexcept;

template <class T>
struct PoolAllocator {
  using value_type = T;
  PoolAllocator() = default;
  template <class Other>
  PoolAllocator(const PoolAllocator<Other>&) {}
  T* allocate(size_t count) { return static_cast<T*>(take_block(count * sizeof(T))); }
  void deallocate(T* block, size_t count) noexcept { give_block(block, count * sizeof(T)); }
  template <class Other>
  bool operator==(const PoolAllocator<Other>&) const {
    return true;
  }
};

template <class T>
using Pooled = std::vector<T, PoolAllocator<T>>;

template <class T>
bool operator==(const Pooled<T>& a, const std::vector<T>& b) {
  return std::ranges::equal(a, b);
}

}  // namespace fastsag::dsp
