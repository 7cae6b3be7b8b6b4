#include "model/paper/precision.h"

#include <map>
#include <mutex>

#include "model/nn/kernels.h"
#include "model/stopwatch.h"

namespace fastsag::model {
namespace {

constexpr double kFaster = .9;  // of fp32's time; within that, exact numbers are worth more

// The best of some convolutions as the U-Net's first level has them.
double seconds_of(torch::Device device, torch::ScalarType type) {
  constexpr int64_t kChannels = 64, kHeight = 100, kWidth = 128;
  const auto like = torch::TensorOptions().device(device).dtype(type);
  const torch::Tensor x =
      torch::full({1, kChannels, kHeight, kWidth}, .5f, like).contiguous(at::MemoryFormat::ChannelsLast);
  const torch::Tensor weight =
      torch::full({kChannels, kChannels, 3, 3}, .01f, like).contiguous(at::MemoryFormat::ChannelsLast);
  const auto wait = [device] {
    if (device.is_cuda()) torch::cuda::synchronize(device.index());
  };
  double best = 1e9;
  for (int run = 0; run < 5; ++run) {  // the first chooses its kernels
    wait();
    Stopwatch watch;
    double seconds = 0;
    torch::conv2d(x, weight, {}, 1, 1);
    wait();
    watch.lap(seconds);
    best = std::min(best, seconds);
  }
  return best;
}

bool bf16_is_faster(torch::Device device) {
  const torch::InferenceMode no_gradients;
  if (device.is_cpu() && !has_bf16()) return false;
  return seconds_of(device, torch::kBFloat16) < kFaster * seconds_of(device, torch::kFloat);
}

}  // namespace

std::string settled_precision(const Preset& preset, torch::Device device) {
  if (preset.precision != "auto") return preset.precision;
  static std::map<std::string, bool> measured;
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  const auto [found, is_new] = measured.try_emplace(device.str());
  if (is_new) found->second = bf16_is_faster(device);
  return found->second ? "bf16" : "fp32";
}

}  // namespace fastsag::model
