#include "model/allocation_count.h"

#include <c10/core/CachingDeviceAllocator.h>

#include "model/memory.h"

namespace fastsag::model {
namespace {

c10::DeviceIndex index_of(torch::Device device) { return std::max<c10::DeviceIndex>(device.index(), 0); }

// Of an accelerator's memory.
c10::CachingDeviceAllocator::DeviceStats statistics(torch::Device device) {
  return c10::getDeviceAllocator(device.type())->getDeviceStats(index_of(device));
}

int64_t from_the_driver(torch::Device device) { return device.is_cpu() ? 0 : statistics(device).num_device_alloc; }

}  // namespace

TensorAllocations::TensorAllocations(torch::Device device)
    : device_(device), system_(c10::GetAllocator(c10::kCPU)), device_count_(from_the_driver(device)) {
  c10::SetAllocator(c10::kCPU, this);
}

TensorAllocations::~TensorAllocations() { c10::SetAllocator(c10::kCPU, system_); }

int64_t TensorAllocations::count() const { return count_ + from_the_driver(device_) - device_count_; }

c10::DataPtr TensorAllocations::allocate(size_t bytes) {
  count_.fetch_add(1, std::memory_order_relaxed);
  return system_->allocate(bytes);
}

int64_t peak_bytes(torch::Device device) {
  return device.is_cpu() ? peak_bytes() : statistics(device).allocated_bytes[0].peak;  // [0]: in all pools
}

void reset_peak(torch::Device device) {
  if (device.is_cpu())
    reset_peak();
  else
    c10::getDeviceAllocator(device.type())->resetPeakStats(index_of(device));
}

}  // namespace fastsag::model
