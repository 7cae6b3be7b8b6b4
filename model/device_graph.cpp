#include "model/device_graph.h"

#include <algorithm>
#include <cstring>
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
        pool_(at::cuda::graph_pool_handle()) {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    c10::cuda::device_synchronize();  // what was loaded on other streams, which this one does not wait for
    // A pool that no recording uses is closed for good: this use keeps it open.
    c10::cuda::CUDACachingAllocator::createOrIncrefPool(stream_.device_index(), pool_);
  }
  ~CudaStream() override {  // of a device that may be lost
    quietly([this] { stream_.synchronize(); });
    quietly([this] { c10::cuda::CUDACachingAllocator::releasePool(stream_.device_index(), pool_); });
  }
  void run(const Work& work) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    work();
  }
  std::unique_ptr<Recording> record(const Work& work) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    stream_.synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();  // what the runs before took; the recording has the pool
    const int64_t reserved_before = reserved(), taken_before = taken();
    const int uses = c10::cuda::CUDACachingAllocator::getPoolUseCount(stream_.device_index(), pool_);
    auto made = std::make_unique<CudaRecording>();
    try {
      begin(made->graph);
      work();
    } catch (...) {
      abandon(std::move(made), uses);
      throw;
    }
    try {
      made->graph.capture_end();
      C10_CUDA_CHECK(cudaGraphUpload(made->graph.raw_cuda_graph_exec(), stream_));  // else the first replay does
      stream_.synchronize();
    } catch (...) {
      abandon(std::move(made), uses);
      throw;
    }
    made->bytes = std::max(reserved() - reserved_before, taken() - taken_before);
    return made;
  }
  void replay(Recording& recording) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    recording.replay();
  }
  void wait() override { stream_.synchronize(); }
  // Not from LibTorch's pool of pinned memory, which asks the device when a tensor is freed: on a lost one that throws
  // in a destructor.
  torch::Tensor pinned(at::IntArrayRef shape) override {
    const c10::cuda::CUDAStreamGuard guard(stream_);
    const size_t bytes = std::max<size_t>(static_cast<size_t>(c10::multiply_integers(shape)), 1) * sizeof(float);
    void* memory = nullptr;
    C10_CUDA_CHECK(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault));
    std::memset(memory, 0, bytes);
    const auto release = [](void* what) {
      cudaFreeHost(what);
      cudaGetLastError();  // a lost device's
    };
    return torch::from_blob(memory, shape, release, torch::kFloat);
  }
  int warm_ups() const override { return 3; }

 private:
  static void quietly(const std::function<void()>& what) {
    try {
      what();
    } catch (const std::exception&) {
      cudaGetLastError();
    }
  }
  int64_t reserved() const {
    constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
    return c10::cuda::CUDACachingAllocator::getDeviceStats(stream_.device_index()).reserved_bytes[kAll].current;
  }
  // Of the device by everybody: what the graph itself takes there is not LibTorch's to count.
  static int64_t taken() {
    size_t free = 0, total = 0;
    return cudaMemGetInfo(&free, &total) == cudaSuccess ? static_cast<int64_t>(total - free) : 0;
  }
  void begin(at::cuda::CUDAGraph& graph) const {
    // It makes tensors for random numbers that it fills again at every beginning, whatever mode that has.
    const c10::InferenceMode plain_tensors(false);
    graph.capture_begin(pool_, cudaStreamCaptureModeThreadLocal);  // other threads may go on using the device
  }
  // The stream and the pool must be of use again, whatever the half-made recording says.
  void abandon(std::unique_ptr<CudaRecording> made, int uses) const noexcept {
    namespace allocator = c10::cuda::CUDACachingAllocator;
    quietly([&] { made->graph.capture_end(); });
    quietly([&] { allocator::endAllocateToPool(stream_.device_index(), pool_); });  // throws where that had been done
    made.reset();
    quietly([&] {
      while (allocator::getPoolUseCount(stream_.device_index(), pool_) > uses)
        allocator::releasePool(stream_.device_index(), pool_);
    });
    cudaGetLastError();  // forgets the failed capture
  }

  c10::cuda::CUDAStream stream_;
  c10::MempoolId_t pool_;
};

#endif

}  // namespace

void GraphStream::copy(torch::Tensor to, const torch::Tensor& from) {
  run([&] { to.copy_(from, /*non_blocking=*/true); });
}

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
