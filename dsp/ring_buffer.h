#pragma once
// Samples on their way from the thread that gets them to the thread that needs them, by absolute position: the writer
// appends at end(), the reader asks for any span of positions and gets what is there. The newest samples win: a writer
// never waits and never refuses, it overwrites the oldest.
//
// Threads: one writer (write*), one reader (read); the counters and end() may be read from anywhere.
// Real-time: wait-free on both sides, no allocation after construction.
// Never torn: what the writer may have overwritten while it was being copied is given as zeros and counted as missing.
// Units: positions in samples from 0 = the first sample ever written.
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

namespace fastsag::dsp {

class RingBuffer {
 public:
  explicit RingBuffer(int64_t capacity);  // at least this many of the newest samples are kept

  void write(std::span<const float> samples);
  void write_silence(int64_t count);  // a jump in time
  int64_t end() const { return end_.load(std::memory_order_acquire); }
  int64_t capacity() const { return std::ssize(samples_); }

  struct ReadResult {
    int64_t missing_old = 0;  // zeros at the front: before position 0, or overwritten
    int64_t missing_new = 0;  // zeros at the back: not yet written
  };
  ReadResult read(int64_t begin, std::span<float> out);

  // Reads that found samples overwritten, or not yet written.
  int64_t overruns() const { return overruns_.load(std::memory_order_relaxed); }
  int64_t underruns() const { return underruns_.load(std::memory_order_relaxed); }

 private:
  template <typename Sample>
  void append(int64_t count, Sample sample);

  std::vector<float> samples_;  // a power of two; position p lies at p & mask_
  int64_t mask_;
  std::atomic<int64_t> writing_{0};  // where the write now under way will end
  std::atomic<int64_t> end_{0};
  std::atomic<int64_t> overruns_{0}, underruns_{0};
};

}  // namespace fastsag::dsp
