#include "dsp/ring_buffer.h"

#include <algorithm>
#include <bit>
#include <cassert>

namespace fastsag::dsp {

// Samples are stored with release and loaded with acquire (free on x86): a reader that picks up a sample of a newer lap
// then also sees the `writing_` that announced it, and knows that the sample is not the one it asked for.

RingBuffer::RingBuffer(int64_t capacity)
    : samples_(std::bit_ceil(static_cast<size_t>(std::max<int64_t>(capacity, 1)))), mask_(std::ssize(samples_) - 1) {}

template <typename Sample>
void RingBuffer::append(int64_t count, Sample sample) {
  assert(count >= 0);
  const int64_t begin = end_.load(std::memory_order_relaxed), end = begin + count;
  writing_.store(end, std::memory_order_relaxed);
  for (int64_t p = std::max(begin, end - capacity()); p < end; ++p)
    std::atomic_ref(samples_[static_cast<size_t>(p & mask_)]).store(sample(p - begin), std::memory_order_release);
  end_.store(end, std::memory_order_release);
}

void RingBuffer::write(std::span<const float> samples) {
  append(std::ssize(samples), [&](int64_t i) { return samples[static_cast<size_t>(i)]; });
}

void RingBuffer::write_silence(int64_t count) {
  append(count, [](int64_t) { return 0.0f; });
}

RingBuffer::ReadResult RingBuffer::read(int64_t begin, std::span<float> out) {
  const int64_t written = end_.load(std::memory_order_acquire);
  const int64_t end = begin + std::ssize(out);
  const auto within = [&](int64_t position) { return std::clamp(position, begin, end); };
  const int64_t to = within(written);
  int64_t from = std::min(within(std::max<int64_t>(0, written - capacity())), to);
  for (int64_t p = from; p < to; ++p)
    out[static_cast<size_t>(p - begin)] =
        std::atomic_ref(samples_[static_cast<size_t>(p & mask_)]).load(std::memory_order_acquire);
  const int64_t oldest = std::max<int64_t>(0, writing_.load(std::memory_order_relaxed) - capacity());
  from = std::min(within(oldest), to);

  std::fill(out.begin(), out.begin() + (from - begin), 0.0f);
  std::fill(out.begin() + (to - begin), out.end(), 0.0f);
  if (oldest > std::max<int64_t>(begin, 0) && from > begin) overruns_.fetch_add(1, std::memory_order_relaxed);
  if (to < end) underruns_.fetch_add(1, std::memory_order_relaxed);
  return {from - begin, end - to};
}

}  // namespace fastsag::dsp
