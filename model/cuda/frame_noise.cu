#include "model/cuda/frame_noise.h"

#include "model/hashed_normal.h"

namespace fastsag::model::cuda {
namespace {

__global__ void fill(float* out, const int64_t* seeds, const int64_t* first_frames, int64_t frames, int64_t bands,
                     int64_t count) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= count) return;
  const int64_t item = i / (frames * bands), frame = i / bands % frames;
  out[i] = frame_normal(static_cast<uint64_t>(seeds[item]), first_frames[item] + frame, i % bands);
}

}  // namespace

const char* frame_noise(float* out, const int64_t* seeds, const int64_t* first_frames, int64_t items, int64_t frames,
                        int64_t bands, void* stream) {
  constexpr int kThreads = 256;
  const int64_t count = items * frames * bands;
  if (count == 0) return nullptr;
  const auto blocks = static_cast<unsigned>((count + kThreads - 1) / kThreads);
  fill<<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(out, seeds, first_frames, frames, bands, count);
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace fastsag::model::cuda
