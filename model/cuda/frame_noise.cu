#include "model/cuda/frame_noise.h"

#include "model/hashed_normal.h"

namespace fastsag::model::cuda {
namespace {

__global__ void fill(float* out, uint64_t seed, int64_t first_frame, int64_t bands, int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) out[i] = frame_normal(seed, first_frame + i / bands, i % bands);
}

}  // namespace

const char* frame_noise(float* out, uint64_t seed, int64_t first_frame, int64_t frames, int64_t bands, void* stream) {
  constexpr int kThreads = 256;
  const int64_t count = frames * bands;
  if (count == 0) return nullptr;
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  fill<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(out, seed, first_frame, bands, count);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace fastsag::model::cuda
