#include "model/device_graph.h"

#include <algorithm>
#ifdef FASTSAG_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAGuard.h>
#endif

#include "model/torch_device.h"

namespace fastsag::model {
namespace {

#ifdef FASTSAG_CUDA

class CudaRecording final : public Recording {
 public:
  void replay() override { graph.replay(); }
  at::cuda::CUDAGraph graph;
};

class CudaStream final : public GraphStream {
 public:
  explicit CudaStream(torch::Device device)
      : stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true, device.index())),
        pool_(at::cuda::graph_pool_handle()) {}
  void run(const Work& work) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    work();
  }
  std::unique_ptr<Recording> record(const Work& work) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    stream_.synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();  // what the runs before took; the recording has the pool
    const int64_t before = reserved();
    auto made = std::make_unique<CudaRecording>();
    // Other threads may go on using the device.
    made->graph.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);
    try {
      work();
    } catch (...) {
      abandon(made->graph);
      throw;
    }
    made->graph.capture_end();
    made->bytes = reserved() - before;
    return made;
  }
  void replay(Recording& recording) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    recording.replay();
  }
  void wait() override { stream_.synchronize(); }
  torch::Tensor pinned(at::IntArrayRef shape) override {
    return torch::zeros(shape, torch::TensorOptions(torch::kFloat).pinned_memory(true));
  }
  int warm_ups() const override { return 3; }

 private:
  int64_t reserved() const {
    constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return c10::cuda::CUDACachingAllocator::getDeviceStats(stream_.device_index()).reserved_bytes[kAll].current;
  }
  // The stream must be of use again, whatever the half-made recording says.
  void abandon(at::cuda::CUDAGraph& graph) const noexcept {
    try {
      graph.capture_end();
    } catch (const std::exception&) {
      try {
        c10::cuda::CUDACachingAllocator::endAllocateToPool(stream_.device_index(), pool_);
      } catch (const std::exception&) {  // it had been ended
      }
    }
    cudaGetLastError();  // forgets the failed capture
  }

  c10::cuda::CUDAStream stream_;
  c10::MempoolId_t pool_;
};

#endif

}  // namespace

std::unique_ptr<GraphStream> cuda_stream(torch::Device device) {
#ifdef FASTSAG_CUDA
  return std::make_unique<CudaStream>(device);
#else
  TORCH_CHECK(false, "no stream of ", device.str(), ": this program was built without CUDA");
#endif
}

DeviceGraph::DeviceGraph(GraphStream& stream, Work work) : stream_(stream), work_(std::move(work)) {
  for (int i = 0; i < stream_.warm_ups(); ++i) stream_.run(work_);
  stream_.wait();
  try {
    recording_ = stream_.record(work_);
  } catch (const std::exception& error) {
    why_eager_ = first_line(error);
  }
}

void DeviceGraph::run() {
  if (recording_)
    stream_.replay(*recording_);
  else
    stream_.run(work_);
}

std::vector<int> batch_sizes(int most) {
  std::vector<int> sizes = {1};
  while (sizes.back() < std::min(most, kLargestBatch)) sizes.push_back(2 * sizes.back());
  return sizes;
}

int batch_for(const std::vector<int>& sizes, int rooms) {
  const auto found = std::ranges::lower_bound(sizes, rooms);
  return found == sizes.end() ? sizes.back() : *found;
}

}  // namespace fastsag::model
