#include "dsp/pool.h"

#include <array>
#include <bit>
#include <mutex>
#include <new>

#include "dsp/heap_count.h"

namespace fastsag::dsp {
namespace {

constexpr std::align_val_t kLine{64};
constexpr size_t kSmallest = 64, kPiece = 65536;  // bytes; a piece is cut into blocks of one size

struct Block {
  Block* next;
};

// Lists of free blocks, by the logarithm of their size.
struct Store {
  std::mutex mutex;
  std::array<Block*, 64> free{};

  void put(size_t list, void* block) { free[list] = new (block) Block{free[list]}; }
};
constinit Store store;

size_t whole(size_t bytes) { return std::bit_ceil(std::max(bytes, kSmallest)); }

}  // namespace

void* take_block(size_t bytes) {
  if (!counts_heap()) return ::operator new(bytes, kLine);
  const size_t size = whole(bytes), list = static_cast<size_t>(std::countr_zero(size));
  const std::scoped_lock lock(store.mutex);
  if (!store.free[list]) {
    const size_t piece = std::max(size, kPiece);
    auto* const begin = static_cast<std::byte*>(::operator new(piece, kLine));
    for (size_t at = piece; at > 0; at -= size) store.put(list, begin + at - size);
  }
  Block* const block = store.free[list];
  store.free[list] = block->next;
  return block;
}

void give_block(void* block, size_t bytes) noexcept {
  if (!counts_heap()) return ::operator delete(block, kLine);
  const std::scoped_lock lock(store.mutex);
  store.put(static_cast<size_t>(std::countr_zero(whole(bytes))), block);
}

}  // namespace fastsag::dsp
