#include "model/cuda/edm_step.h"

namespace fastsag::model::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads) step(EdmArgs<T> a) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < edm_threads(a)) edm_thread(a, i);
}

}  // namespace

template <class T>
const char* edm_step(const EdmArgs<T>& args, void* stream) {
  if (edm_threads(args) == 0) return nullptr;
  step<<<blocks_for(edm_threads(args)), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(args);
  return launched();
}

template const char* edm_step(const EdmArgs<float>&, void*);
template const char* edm_step(const EdmArgs<uint16_t>&, void*);

}  // namespace fastsag::model::cuda
