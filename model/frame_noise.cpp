#include "model/frame_noise.h"

#include "model/accompanist.h"
#include "model/hashed_normal.h"
#ifdef FASTSAG_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "model/cuda/frame_noise.h"
#endif

namespace fastsag::model {

torch::Tensor frame_noise(uint64_t seed, int64_t first_frame, int64_t frames, int64_t bands, torch::Device device) {
  torch::Tensor noise = torch::empty({frames, bands}, torch::TensorOptions(torch::kFloat).device(device));
  fill_frame_noise(noise, seed, first_frame);
  return noise;
}

void fill_frame_noise(torch::Tensor out, uint64_t seed, int64_t first_frame) {
  const int64_t frames = out.size(0), bands = out.size(1);
  auto* const data = out.mutable_data_ptr<float>();
#ifdef FASTSAG_CUDA
  if (out.is_cuda()) {
    const c10::cuda::CUDAGuard guard(out.device());
    const auto stream = c10::cuda::getCurrentCUDAStream();
    if (const char* error = cuda::frame_noise(data, seed, first_frame, frames, bands, stream.stream()))
      throw DeviceError(std::string("frame noise on the GPU failed: ") + error);
    return;
  }
#endif
  for (int64_t frame = 0; frame < frames; ++frame)
    for (int64_t band = 0; band < bands; ++band)
      data[frame * bands + band] = frame_normal(seed, first_frame + frame, band);
}

}  // namespace fastsag::model
