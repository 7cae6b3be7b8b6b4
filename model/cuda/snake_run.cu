#include "model/cuda/snake_run.h"

namespace fastsag::model::cuda {
namespace {

template <class T, int V>
__global__ void __launch_bounds__(kThreads) walk(SnakeRunArgs<T> a) {
  const int64_t thread = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (thread < snake_threads(a)) snake_thread<T, V>(a, blockIdx.y, thread);
}

}  // namespace

template <class T>
const char* snake_run(const SnakeRunArgs<T>& args, void* stream) {
  if (args.items == 0 || args.rows == 0) return nullptr;
  const auto on = static_cast<cudaStream_t>(stream);
  const dim3 blocks(blocks_for(snake_threads(args)), static_cast<unsigned>(args.items));
  if (snake_pack<T>(args.channels) == 2)
    walk<T, 2><<<blocks, kThreads, 0, on>>>(args);
  else
    walk<T, 1><<<blocks, kThreads, 0, on>>>(args);
  return launched();
}

template const char* snake_run(const SnakeRunArgs<float>&, void*);
template const char* snake_run(const SnakeRunArgs<uint16_t>&, void*);

}  // namespace fastsag::model::cuda
