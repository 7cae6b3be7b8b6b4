#pragma once
// What a run asks the system for: memory of tensors, which on a CPU comes from the system each time and on an
// accelerator only where LibTorch's own store has none, and the most that was taken.
//
// Threads: counts those of all threads; one counter at a time. The rest of the heap is counted by the program that
// replaces malloc (dsp/heap_count.h).
#include <torch/torch.h>

#include <atomic>
#include <cstdint>

namespace fastsag::model {

// While it lives, tensors of the CPU come through it.
class TensorAllocations final : public c10::Allocator {
 public:
  explicit TensorAllocations(torch::Device device);
  ~TensorAllocations() override;
  TensorAllocations(const TensorAllocations&) = delete;
  TensorAllocations& operator=(const TensorAllocations&) = delete;

  int64_t count() const;  // since it was made

  c10::DataPtr allocate(size_t bytes) override;
  c10::DeleterFnPtr raw_deleter() const override { return system_->raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { system_->copy_data(to, from, bytes); }

 private:
  const torch::Device device_;
  c10::Allocator* const system_;
  std::atomic<int64_t> count_{0};
  int64_t device_count_ = 0;  // when it was made
};

// The most memory since reset_peak(): of the process, or what tensors took of an accelerator. 0: not known.
int64_t peak_bytes(torch::Device device);
void reset_peak(torch::Device device);

}  // namespace fastsag::model
