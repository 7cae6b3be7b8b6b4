#include "model/cuda/pixels.h"

namespace fastsag::model::cuda {
namespace {

template <class T, int V>
__global__ void __launch_bounds__(kThreads) each(PixelArgs<T> a) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (i < a.rows * a.channels / V) pixel_thread<T, V>(a, blockIdx.y, i);
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads) dot(ProjectArgs<T> a) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (row < a.rows) project_thread<T, V>(a, blockIdx.y, row);
}

dim3 grid(int64_t threads, int64_t items) { return dim3(blocks_for(threads), static_cast<unsigned>(items)); }

}  // namespace

template <class T>
const char* pixels(const PixelArgs<T>& args, void* stream) {
  const int pack = pixel_pack<T>(args.channels);
  const int64_t threads = args.rows * args.channels / pack;
  const auto on = static_cast<cudaStream_t>(stream);
  if (threads == 0 || args.items == 0) return nullptr;
  if (pack == 1)
    each<T, 1><<<grid(threads, args.items), kThreads, 0, on>>>(args);
  else
    each<T, kWidest<T>><<<grid(threads, args.items), kThreads, 0, on>>>(args);
  return launched();
}

template <class T>
const char* project(const ProjectArgs<T>& args, void* stream) {
  const auto on = static_cast<cudaStream_t>(stream);
  if (args.rows == 0 || args.items == 0) return nullptr;
  if (pixel_pack<T>(args.channels) == 1)
    dot<T, 1><<<grid(args.rows, args.items), kThreads, 0, on>>>(args);
  else
    dot<T, kWidest<T>><<<grid(args.rows, args.items), kThreads, 0, on>>>(args);
  return launched();
}

template const char* pixels(const PixelArgs<float>&, void*);
template const char* pixels(const PixelArgs<uint16_t>&, void*);
template const char* project(const ProjectArgs<float>&, void*);
template const char* project(const ProjectArgs<uint16_t>&, void*);

}  // namespace fastsag::model::cuda
