#include "model/paper/precision.h"

#include <map>
#include <mutex>

#include "model/nn/kernels.h"
#include "model/race.h"

namespace fastsag::model {
namespace {

constexpr double kFaster = .9;  // of fp32's time; within that, exact numbers are worth more

// A convolution as the U-Net's first level has them, which waits for its device.
auto convolution(torch::Device device, torch::ScalarType type) {
  constexpr int64_t kChannels = 64, kHeight = 100, kWidth = 128;
  const auto like = torch::TensorOptions().device(device).dtype(type);
  const torch::Tensor x =
      torch::full({1, kChannels, kHeight, kWidth}, .5f, like).contiguous(at::MemoryFormat::ChannelsLast);
  const torch::Tensor weight =
      torch::full({kChannels, kChannels, 3, 3}, .01f, like).contiguous(at::MemoryFormat::ChannelsLast);
  return [=] {
    torch::conv2d(x, weight, {}, 1, 1);
    if (device.is_cuda()) torch::cuda::synchronize(device.index());
  };
}

bool bf16_is_faster(torch::Device device) {
  constexpr int kRounds = 5;  // the first chooses its kernels
  const torch::InferenceMode no_gradients;
  if (device.is_cpu() && !has_bf16()) return false;
  const auto exact = convolution(device, torch::kFloat), half = convolution(device, torch::kBFloat16);
  if (device.is_cuda()) torch::cuda::synchronize(device.index());
  const auto [exact_s, half_s] = best_in_turn(kRounds, exact, half);
  return half_s < kFaster * exact_s;
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
