#pragma once
// frame_noise on a GPU. No torch headers here: nvcc takes minutes over them.
#include <cstdint>

namespace fastsag::model::cuda {

// Fills out[items][frames][bands] on `stream` (a cudaStream_t); seeds and first_frames [items]; all of it device
// memory. Returns a message, or null where all is well.
const char* frame_noise(float* out, const int64_t* seeds, const int64_t* first_frames, int64_t items, int64_t frames,
                        int64_t bands, void* stream);

}  // namespace fastsag::model::cuda
