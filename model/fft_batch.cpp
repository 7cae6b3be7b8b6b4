#include "model/fft_batch.h"

#include <torch/torch.h>

namespace fastsag::model {
namespace {

torch::Tensor seen(const void* data, int64_t width, int64_t count, torch::ScalarType type) {
  return torch::from_blob(const_cast<void*>(data), {count / width, width}, torch::dtype(type));
}

}  // namespace

void TorchFftBatch::forward(std::span<const float> time, std::span<std::complex<float>> spectra) {
  const torch::InferenceMode no_gradients;
  torch::Tensor out = seen(spectra.data(), size_ / 2 + 1, std::ssize(spectra), torch::kComplexFloat);
  at::fft_rfft_out(out, seen(time.data(), size_, std::ssize(time), torch::kFloat));
}

void TorchFftBatch::inverse(std::span<const std::complex<float>> spectra, std::span<float> time) {
  const torch::InferenceMode no_gradients;
  torch::Tensor out = seen(time.data(), size_, std::ssize(time), torch::kFloat);
  at::fft_irfft_out(out, seen(spectra.data(), size_ / 2 + 1, std::ssize(spectra), torch::kComplexFloat), size_);
}

}  // namespace fastsag::model
