#include "model/cuda/norm_mish.h"

namespace fastsag::model::cuda {
namespace {

template <class T, int V>
__global__ void __launch_bounds__(kThreads) add_up(NormArgs<T> a) {
  static_assert(kGroupThreads == 32, "a warp for each group");
  __shared__ double sum[kGroups][32], square[kGroups][32];
  __shared__ bool last;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const int64_t item = blockIdx.y;
  const Moments m = norm_thread<T, V>(a, item, blockIdx.x, thread);
  const int group = norm_group<T, V>(a, thread), member = norm_member<T, V>(a, thread);
  sum[group][member] = m.sum;
  square[group][member] = m.square;
  __syncthreads();
  double s = warp_sum(sum[warp][lane]), q = warp_sum(square[warp][lane]);
  if (lane == 0) {
    double* const out = norm_sums(a, item, blockIdx.x, warp);
    out[0] = s;
    out[1] = q;
  }
  __threadfence();
  __syncthreads();
  if (thread == 0) last = atomicAdd(a.arrived + item, 1u) == gridDim.x - 1;
  __syncthreads();
  if (!last) return;
  __threadfence();
  s = q = 0;
  for (int64_t slice = lane; slice < gridDim.x; slice += 32) {
    const double* const from = norm_sums(a, item, slice, warp);
    s += __ldcg(from);  // past the first cache, which other blocks' writes do not reach
    q += __ldcg(from + 1);
  }
  s = warp_sum(s);
  q = warp_sum(q);
  const int64_t each = a.channels / kGroups;
  for (int64_t c = lane; c < each; c += 32) norm_affine(a, item, warp * each + c, s, q);
  if (thread == 0) a.arrived[item] = 0;
}

template <class T, int V>
__global__ void __launch_bounds__(kThreads) apply(NormArgs<T> a) {
  norm_apply<T, V>(a, blockIdx.y, static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x,
                   static_cast<int64_t>(gridDim.x) * kThreads);
}

template <class T, int V>
const char* run(const NormArgs<T>& a, cudaStream_t stream) {
  const auto items = static_cast<unsigned>(a.items);
  add_up<T, V><<<dim3(static_cast<unsigned>(norm_slices(a.rows)), items), kThreads, 0, stream>>>(a);
  if (const char* error = launched()) return error;
  apply<T, V><<<dim3(blocks_for(a.rows * a.channels / V, 1024), items), kThreads, 0, stream>>>(a);
  return launched();
}

}  // namespace

template <class T>
const char* norm_mish(const NormArgs<T>& args, void* stream) {
  if (!norm_fits<T>(args.channels)) return "group norm: channels fit no block of threads";
  if (args.items == 0 || args.rows == 0) return nullptr;
  const auto on = static_cast<cudaStream_t>(stream);
  return norm_pack<T>(args.channels) == 1 ? run<T, 1>(args, on) : run<T, kWidest<T>>(args, on);
}

template const char* norm_mish(const NormArgs<float>&, void*);
template const char* norm_mish(const NormArgs<uint16_t>&, void*);

}  // namespace fastsag::model::cuda
