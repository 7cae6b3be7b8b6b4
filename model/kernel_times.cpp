#include "model/kernel_times.h"

#include <torch/csrc/autograd/profiler_kineto.h>

#include <algorithm>

namespace fastsag::model {

KernelTimes kernel_times(std::vector<KernelSpan> spans) {
  std::ranges::sort(spans, {}, &KernelSpan::begin);
  KernelTimes times{.kernels = std::ssize(spans)};
  if (spans.empty()) return times;
  int64_t until = spans.front().begin, busy = 0;
  for (const KernelSpan& span : spans) {
    busy += std::max<int64_t>(0, span.end - std::max(until, span.begin));
    until = std::max(until, span.end);
  }
  times.busy = static_cast<double>(busy) * 1e-9;
  times.span = static_cast<double>(until - spans.front().begin) * 1e-9;
  return times;
}

std::optional<KernelTimes> watched(const std::function<void()>& work) {
  namespace profiler = torch::autograd::profiler;
  using torch::profiler::impl::ActivityType, torch::profiler::impl::ProfilerConfig,
      torch::profiler::impl::ProfilerState;
  const ProfilerConfig config(ProfilerState::KINETO);
  const std::set<ActivityType> of_the_device = {ActivityType::CUDA};
  profiler::prepareProfiler(config, of_the_device);
  profiler::enableProfiler(config, of_the_device);
  try {
    work();
  } catch (...) {
    profiler::disableProfiler();
    throw;
  }
  const auto seen = profiler::disableProfiler();
  std::vector<KernelSpan> spans;
  for (const auto& event : seen->events())
    if (event.deviceType() == c10::DeviceType::CUDA)
      spans.push_back(
          {static_cast<int64_t>(event.startNs()), static_cast<int64_t>(event.startNs() + event.durationNs())});
  if (spans.empty()) return {};
  return kernel_times(std::move(spans));
}

}  // namespace fastsag::model
