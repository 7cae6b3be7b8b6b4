#include "model/frame_noise.h"

#include "model/accompanist.h"
#include "model/hashed_normal.h"
#ifdef FASTSAG_CUDA
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "model/cuda/frame_noise.h"
#endif

namespace fastsag::model {
namespace {

void fill(float* out, const int64_t* seeds, const int64_t* first_frames, int64_t items, int64_t frames, int64_t bands) {
  for (int64_t item = 0; item < items; ++item)
    for (int64_t frame = 0; frame < frames; ++frame)
      for (int64_t band = 0; band < bands; ++band)
        *out++ = frame_normal(static_cast<uint64_t>(seeds[item]), first_frames[item] + frame, band);
}

}  // namespace

torch::Tensor frame_noise(uint64_t seed, int64_t first_frame, int64_t frames, int64_t bands, torch::Device device) {
  torch::Tensor noise = torch::empty({frames, bands}, torch::TensorOptions(torch::kFloat).device(device));
  const auto bits = static_cast<int64_t>(seed);
  if (device.is_cpu()) {
    fill_frame_noise({noise.mutable_data_ptr<float>(), static_cast<size_t>(noise.numel())}, seed, first_frame, bands);
    return noise;
  }
  const auto one = [device](int64_t value) { return torch::full({1}, value, torch::kLong).to(device); };
  fill_frame_noise(noise.unsqueeze(0), one(bits), one(first_frame));
  return noise;
}

void fill_frame_noise(std::span<float> out, uint64_t seed, int64_t first_frame, int64_t bands) {
  const auto bits = static_cast<int64_t>(seed);
  fill(out.data(), &bits, &first_frame, 1, std::ssize(out) / bands, bands);
}

void fill_frame_noise(torch::Tensor out, const torch::Tensor& seeds, const torch::Tensor& first_frames) {
  const int64_t items = out.size(0), frames = out.size(1), bands = out.size(2);
  auto* const data = out.mutable_data_ptr<float>();
  const auto *const seed = seeds.const_data_ptr<int64_t>(), *const first = first_frames.const_data_ptr<int64_t>();
#ifdef FASTSAG_CUDA
  if (out.is_cuda()) {
    const c10::cuda::CUDAGuard guard(out.device());
    const auto stream = c10::cuda::getCurrentCUDAStream();
    if (const char* error = cuda::frame_noise(data, seed, first, items, frames, bands, stream.stream()))
      throw DeviceError(std::string("frame noise on the GPU failed: ") + error);
    return;
  }
#endif
  fill(data, seed, first, items, frames, bands);
}

}  // namespace fastsag::model
