#include "model/peaks.h"

#include <algorithm>

#include "model/stopwatch.h"

namespace fastsag::model {
namespace {

constexpr int kRuns = 5;

void wait(torch::Device device) {
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
}

template <class Body>
double best_seconds(torch::Device device, const Body& body) {
  double best = 1e9;
  for (int i = 0; i <= kRuns; ++i) {
    double seconds = 0;
    wait(device);
    Stopwatch watch;
    body();
    wait(device);
    watch.lap(seconds);
    if (i > 0) best = std::min(best, seconds);  // the first one warms up
  }
  return best;
}

double flop_per_second(torch::Device device, torch::ScalarType type) {
  const int64_t side = device.is_cpu() ? 1536 : 8192;
  const auto like = torch::TensorOptions().device(device).dtype(type);
  const torch::Tensor a = torch::full({side, side}, .5f, like), b = torch::full({side, side}, .25f, like);
  torch::Tensor product = torch::empty_like(a);
  const auto n = static_cast<double>(side);
  const double direct = 2 * n * n * n / best_seconds(device, [&] { torch::mm_out(product, a, b); });

  constexpr int64_t kChannels = 256, kSide = 64;
  const int64_t images = device.is_cpu() ? 1 : 32;
  const torch::Tensor x =
      torch::full({images, kChannels, kSide, kSide}, .5f, like).contiguous(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor weight =
      torch::full({kChannels, kChannels, 3, 3}, .25f, like).contiguous(torch::MemoryFormat::ChannelsLast);
  const double flop = 2.0 * kChannels * kChannels * 9 * kSide * kSide * static_cast<double>(images);
  return std::max(direct, flop / best_seconds(device, [&] { torch::conv2d(x, weight, {}, 1, 1); }));
}

double bytes_per_second(torch::Device device) {
  constexpr int64_t kBytes = int64_t{128} << 20;  // beyond all caches
  const torch::Tensor from = torch::ones({kBytes / 4}, device);
  torch::Tensor to = torch::empty_like(from);
  return 2.0 * kBytes / best_seconds(device, [&] { to.copy_(from); });
}

}  // namespace

void measure_peaks(torch::Device device, Peaks& peaks) {
  const torch::InferenceMode no_gradients;
  peaks.fp32 = std::max(peaks.fp32, flop_per_second(device, torch::kFloat));
  peaks.bf16 = std::max(peaks.bf16, flop_per_second(device, torch::kBFloat16));
  peaks.copy = std::max(peaks.copy, bytes_per_second(device));
}

}  // namespace fastsag::model
