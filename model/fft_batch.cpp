#include "model/fft_batch.h"

#include <torch/torch.h>

#include <algorithm>
#include <bit>

#include "dsp/error.h"

// MKL's public interface (mkl_dfti.h), which LibTorch holds without its headers; null in a LibTorch without MKL.
extern "C" {
using DftiPlan = struct DftiDescriptor*;
[[gnu::weak]] long DftiCreateDescriptor_s_1d(DftiPlan* plan, int domain, long size);
[[gnu::weak]] long DftiSetValue(DftiPlan plan, int key, ...);
[[gnu::weak]] long DftiCommitDescriptor(DftiPlan plan);
[[gnu::weak]] long DftiComputeForward(DftiPlan plan, void* in, ...);
[[gnu::weak]] long DftiComputeBackward(DftiPlan plan, void* in, ...);
[[gnu::weak]] long DftiFreeDescriptor(DftiPlan* plan);
}

namespace fastsag::model {
namespace {

enum DftiKey : int {
  kBackwardScale = 5,
  kTransforms = 7,
  kConjugateEvenStorage = 10,
  kPlacement = 11,
  kInputDistance = 14,
  kOutputDistance = 15
};
enum DftiValue : int { kReal = 33, kComplexComplex = 39, kNotInPlace = 44 };

bool has_mkl() { return DftiCreateDescriptor_s_1d && DftiComputeForward && DftiComputeBackward; }

void check(long status) {
  if (status != 0) throw Error("MKL refused an FFT: status " + std::to_string(status));
}

class Transforms {
 public:
  Transforms(int size, long transforms, long in, long out) {
    check(DftiCreateDescriptor_s_1d(&plan_, kReal, size));
    check(DftiSetValue(plan_, kPlacement, kNotInPlace));
    check(DftiSetValue(plan_, kTransforms, transforms));
    check(DftiSetValue(plan_, kInputDistance, in));
    check(DftiSetValue(plan_, kOutputDistance, out));
    check(DftiSetValue(plan_, kConjugateEvenStorage, kComplexComplex));
    check(DftiSetValue(plan_, kBackwardScale, 1.0 / size));
    check(DftiCommitDescriptor(plan_));
  }
  ~Transforms() { DftiFreeDescriptor(&plan_); }
  Transforms(const Transforms&) = delete;
  Transforms& operator=(const Transforms&) = delete;
  void forward(const float* in, std::complex<float>* out) {
    check(DftiComputeForward(plan_, const_cast<float*>(in), out));
  }
  void inverse(const std::complex<float>* in, float* out) {
    check(DftiComputeBackward(plan_, const_cast<std::complex<float>*>(in), out));
  }

 private:
  DftiPlan plan_ = nullptr;
};

torch::Tensor seen(const void* data, int64_t width, int64_t count, torch::ScalarType type) {
  return torch::from_blob(const_cast<void*>(data), {count / width, width}, torch::dtype(type));
}

}  // namespace

struct TorchFftBatch::Plans {
  Plans(int size, long transforms)
      : forward(size, transforms, size, size / 2 + 1), inverse(size, transforms, size / 2 + 1, size) {}
  Transforms forward, inverse;
};

TorchFftBatch::TorchFftBatch(int size) : size_(size) {
  for (size_t i = 0; has_mkl() && i < plans_.size(); ++i) plans_[i] = std::make_unique<Plans>(size, 1l << i);
}
TorchFftBatch::~TorchFftBatch() = default;

// The largest plan that what is left fills, again and again.
template <class Body>
void TorchFftBatch::for_each_part(int64_t count, const Body& body) {
  for (int64_t first = 0; first < count;) {
    const auto left = static_cast<size_t>(std::bit_width(static_cast<uint64_t>(count - first)));
    const auto i = std::min(left - 1, plans_.size() - 1);
    body(*plans_[i], first);
    first += int64_t{1} << i;
  }
}

void TorchFftBatch::forward(std::span<const float> time, std::span<std::complex<float>> spectra) {
  const int64_t count = std::ssize(time) / size_, bins = size_ / 2 + 1;
  if (plans_[0]) {
    for_each_part(count, [&](Plans& plans, int64_t first) {
      plans.forward.forward(time.data() + first * size_, spectra.data() + first * bins);
    });
    return;
  }
  const torch::InferenceMode no_gradients;
  torch::Tensor out = seen(spectra.data(), bins, std::ssize(spectra), torch::kComplexFloat);
  at::fft_rfft_out(out, seen(time.data(), size_, std::ssize(time), torch::kFloat));
}

void TorchFftBatch::inverse(std::span<const std::complex<float>> spectra, std::span<float> time) {
  const int64_t count = std::ssize(time) / size_, bins = size_ / 2 + 1;
  if (plans_[0]) {
    for_each_part(count, [&](Plans& plans, int64_t first) {
      plans.inverse.inverse(spectra.data() + first * bins, time.data() + first * size_);
    });
    return;
  }
  const torch::InferenceMode no_gradients;
  torch::Tensor out = seen(time.data(), size_, std::ssize(time), torch::kFloat);
  at::fft_irfft_out(out, seen(spectra.data(), bins, std::ssize(spectra), torch::kComplexFloat), size_);
}

}  // namespace fastsag::model
