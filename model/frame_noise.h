#pragma once
// The diffusion noise of the timeline: frame k has the same noise in every window that holds it, so windows that
// overlap agree and a run can be repeated bit for bit.
//
// Shapes: [frames][bands], float32, N(0, 1), on the device asked for (cpu or cuda; the same numbers on both, but for a
// last bit where the two libraries' logarithms differ).
// Errors: DeviceError (accompanist.h) where the GPU fails.
#include <torch/torch.h>

#include <span>

namespace fastsag::model {

torch::Tensor frame_noise(uint64_t seed, int64_t first_frame, int64_t frames, int64_t bands = 100,
                          torch::Device device = torch::kCPU);
void fill_frame_noise(std::span<float> out, uint64_t seed, int64_t first_frame, int64_t bands = 100);  // the same
// Of several windows at once, in one kernel: out [B][frames][bands], contiguous; seeds and first_frames [B] int64
// beside it. Asks the device nothing, so a CUDA graph can hold it.
void fill_frame_noise(torch::Tensor out, const torch::Tensor& seeds, const torch::Tensor& first_frames);

}  // namespace fastsag::model
