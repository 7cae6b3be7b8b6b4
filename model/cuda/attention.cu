#include "model/cuda/attention.h"

namespace fastsag::model::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads) replace_keys(KeysArgs<T> a) {
  __shared__ float part[kKeyWalkers][32];
  const int lane = static_cast<int>(threadIdx.x) % 32, walker = static_cast<int>(threadIdx.x) / 32;
  const int64_t slice = blockIdx.x, slices = gridDim.x, item = blockIdx.z;
  const int head = static_cast<int>(blockIdx.y);
  T* const keys = keys_of(a, item, slice, head, lane);
  part[walker][lane] = keys_largest(a, keys, walker);
  __syncthreads();
  float largest = part[0][lane];
  for (int w = 1; w < kKeyWalkers; ++w) largest = fmaxf(largest, part[w][lane]);
  __syncthreads();
  part[walker][lane] = keys_replace(a, keys, walker, largest);
  __syncthreads();
  if (walker != 0) return;
  float sum = 0;
  for (int w = 0; w < kKeyWalkers; ++w) sum += part[w][lane];
  const int64_t at = (item * slices + slice) * kKeys + head * kHeadKeys + lane;
  a.largest[at] = largest;
  a.sum[at] = sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads) fold_key(FoldArgs<T> a) {
  __shared__ float mean[kMostFoldChannels];
  __shared__ float part[kKeyWalkers][kHeadKeys], value[kHeadKeys];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, walker = thread / 32;
  const int key = static_cast<int>(blockIdx.x);
  const int64_t item = blockIdx.y;
  for (int64_t c = thread; c < a.channels; c += kThreads) mean[c] = fold_mean(a, item, key, c);
  __syncthreads();
  part[walker][lane] = fold_value(a, mean, key, walker, lane);
  __syncthreads();
  if (walker == 0) {
    float sum = 0;
    for (int w = 0; w < kKeyWalkers; ++w) sum += part[w][lane];
    value[lane] = sum;
  }
  __syncthreads();
  for (int64_t c = thread; c < a.channels; c += kThreads) fold_write(a, value, item, key, c);
}

}  // namespace

template <class T>
const char* attend_keys(const KeysArgs<T>& args, void* stream) {
  if (args.items == 0 || args.rows == 0) return nullptr;
  const dim3 blocks(static_cast<unsigned>(attend_slices(args.rows)), kHeads, static_cast<unsigned>(args.items));
  replace_keys<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(args);
  return launched();
}

template <class T>
const char* attend_fold(const FoldArgs<T>& args, void* stream) {
  if (args.items == 0) return nullptr;
  if (args.channels > kMostFoldChannels) return "attention: more than 2048 channels";
  fold_key<<<dim3(kKeys, static_cast<unsigned>(args.items)), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(args);
  return launched();
}

template const char* attend_keys(const KeysArgs<float>&, void*);
template const char* attend_keys(const KeysArgs<uint16_t>&, void*);
template const char* attend_fold(const FoldArgs<float>&, void*);
template const char* attend_fold(const FoldArgs<uint16_t>&, void*);

}  // namespace fastsag::model::cuda
