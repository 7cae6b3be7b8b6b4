#pragma once
// frame_noise on a GPU. No torch headers here: nvcc takes minutes over them.
#include <cstdint>

namespace fastsag::model::cuda {

// Fills out[frames][bands] (device memory) on `stream` (a cudaStream_t). Returns a message, or null where all is well.
const char* frame_noise(float* out, uint64_t seed, int64_t first_frame, int64_t frames, int64_t bands, void* stream);

}  // namespace fastsag::model::cuda
