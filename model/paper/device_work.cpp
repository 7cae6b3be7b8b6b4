#include "model/paper/device_work.h"

#include <ATen/record_function.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <functional>
#include <string_view>

#include "model/edm.h"
#include "model/nn/bigvgan.h"
#include "model/nn/unet_walk.h"

namespace fastsag::model {
namespace {

LaunchWork operator+(const LaunchWork& a, const LaunchWork& b) { return {a.launches + b.launches, a.bytes + b.bytes}; }
LaunchWork operator*(const LaunchWork& a, double times) { return {a.launches * times, a.bytes * times}; }
LaunchWork operator-(const LaunchWork& a, const LaunchWork& b) { return a + b * -1; }

// LibTorch's operators of this thread while it lives. What one of them calls is counted in its place, but for those
// that a GPU's library does in one.
class OperatorCount {
 public:
  OperatorCount()
      : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(begin, end)
                                               .needsInputs(true)
                                               .needsOutputs(true)
                                               .scopes({at::RecordScope::FUNCTION}))) {
    current = this;
  }
  ~OperatorCount() {
    at::removeCallback(handle_);
    current = nullptr;
  }
  OperatorCount(const OperatorCount&) = delete;
  OperatorCount& operator=(const OperatorCount&) = delete;
  const LaunchWork& work() const { return work_; }

 private:
  static bool whole(std::string_view name) {
    constexpr std::string_view kWhole[] = {"aten::convolution", "aten::native_group_norm", "aten::mm", "aten::bmm",
                                           "aten::addmm",       "aten::_softmax"};
    return std::ranges::find(kWhole, name) != std::end(kWhole);
  }
  struct Open {
    int hidden = 0;           // before it began
    bool counted = false;     // something within it
    double bytes = 0;         // that it is given
    std::vector<void*> from;  // where those lie
  };

  // Inputs are there at an operator's begin alone, what it made at its end.
  static std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& call) {
    const std::string_view name = call.name();
    Open open{.hidden = current->hidden_};
    const auto inputs = call.inputs();
    const bool overwrites = name == "aten::copy_" || name == "aten::fill_";  // what was there is not read
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (i > 0 || !overwrites) open.bytes += bytes_of(inputs[i]);
      if (inputs[i].isTensor()) open.from.push_back(place_of(inputs[i].toTensor()));
    }
    current->open_.push_back(std::move(open));
    if (whole(name)) ++current->hidden_;
    return nullptr;
  }
  static void end(const at::RecordFunction& call, at::ObserverContext*) {
    OperatorCount& own = *current;
    const Open open = std::move(own.open_.back());
    own.open_.pop_back();
    own.hidden_ = open.hidden;
    const bool counts = open.hidden == 0 && !open.counted && moves_memory(call, open);
    if (counts) {
      own.work_ = own.work_ + LaunchWork{1, open.bytes};
      for (const c10::IValue& made : call.outputs()) own.work_.bytes += bytes_of(made);
    }
    if (!own.open_.empty()) own.open_.back().counted |= open.counted || counts;
  }
  static bool moves_memory(const at::RecordFunction& call, const Open& open) {
    const std::string_view name = call.name();
    if (name.find("empty") != name.npos || name.find("resize") != name.npos) return false;
    if (call.outputs().empty() || !call.outputs()[0].isTensor()) return false;
    const torch::Tensor made = call.outputs()[0].toTensor();
    if (!made.defined() || made.numel() == 0) return false;
    const bool in_place = name.ends_with('_');
    return in_place || std::ranges::find(open.from, place_of(made)) == open.from.end();  // else a view
  }
  static void* place_of(const torch::Tensor& x) {
    return x.defined() && x.has_storage() ? x.storage().mutable_data() : nullptr;
  }
  static double bytes_of(const c10::IValue& value) {
    if (value.isTensorList()) {
      double sum = 0;
      for (const torch::Tensor& x : value.toTensorVector()) sum += bytes_of(x);
      return sum;
    }
    if (!value.isTensor() || !value.toTensor().defined()) return 0;
    const torch::Tensor x = value.toTensor();
    return static_cast<double>(std::min(x.nbytes(), x.storage().nbytes()));  // what is repeated is read once
  }

  static inline thread_local OperatorCount* current = nullptr;
  at::CallbackHandle handle_;
  std::vector<Open> open_;
  int hidden_ = 0;
  LaunchWork work_;
};

LaunchWork counted(const std::function<void()>& body) {
  launch_count() = {};
  const OperatorCount operators;
  body();
  return operators.work() + LaunchWork{static_cast<double>(launch_count().launches), launch_count().bytes};
}

constexpr int64_t kPart = 32;  // columns or frames

// What `body(rooms, length)` costs for so many rooms: beside the weights each costs the same. `run`: the length to run;
// where it is a part of the length the rest is as long.
LaunchWork of_rooms(const std::function<void(int64_t, int64_t)>& body, int64_t run, int64_t length, int rooms) {
  const auto count = [&](int64_t of, int64_t long_) { return counted([&] { body(of, long_); }); };
  body(1, kPart);  // what a first run sets up
  const LaunchWork one = count(1, run), weights = count(1, kPart) * 2 - count(2, kPart);
  const double times = rooms * static_cast<double>(length) / static_cast<double>(run);
  return {one.launches, weights.bytes + times * (one.bytes - weights.bytes)};
}

torch::ScalarType type_of(const Preset& preset) {
  return preset.precision == "bf16" ? torch::kBFloat16 : torch::kFloat;
}

// Of one step, and of all of a walk.
std::pair<LaunchWork, LaunchWork> count_walk(const Preset& preset, int rooms, bool own) {
  UNet unet(preset.sizes.unet_dim);
  if (own) unet->prepare(type_of(preset), NetWay::gpu);
  UNetWalk walk(unet);
  EdmOptions options;
  options.sigma_max = preset.denoiser.sigma_max;
  const auto network = [&](const auto& x, const auto& mask, const auto& mu, const auto& c) {
    return unet(x, mask, mu, c);
  };
  const auto sample = [&](int64_t items, int64_t width) {
    const torch::Tensor noise = torch::zeros({items, preset.sizes.bands, width}), known = torch::zeros_like(noise);
    const torch::Tensor known_frames = torch::zeros({items, 1, width}), is_known = known_frames > 0;
    const auto impose = [&](torch::Tensor& x, double sigma) { x = torch::where(is_known, known + sigma * noise, x); };
    if (unet->cuda())
      walk(options, {noise, noise, known, known_frames, std::min(width, preset.sizes.frames)});
    else
      edm_sample(options, network, noise, torch::ones({1, 1, width}), noise, impose);
  };
  const auto count = [&](int steps) {
    options.steps = steps;
    return of_rooms(sample, preset.sizes.width, preset.sizes.width, rooms);
  };
  const LaunchWork first = count(1), step = count(2) - first;
  return {step, first + step * (preset.denoiser.steps - 1)};
}

LaunchWork count_vocoder(const Preset& preset, int rooms, bool own) {
  BigVgan net;
  if (own) net->prepare(type_of(preset), NetWay::gpu);
  const auto render = [&](int64_t items, int64_t frames) { net(torch::zeros({items, preset.sizes.bands, frames})); };
  return of_rooms(render, kPart, preset.sizes.frames, rooms);
}

}  // namespace

DeviceWork device_work(const Preset& preset, int rooms) {
  const torch::InferenceMode no_gradients;
  DeviceWork work;
  std::tie(work.step.own, work.walk.own) = count_walk(preset, rooms, true);
  std::tie(work.step.plain, work.walk.plain) = count_walk(preset, rooms, false);
  if (preset.vocoder.kind == "bigvgan")
    work.vocoder = {count_vocoder(preset, rooms, true), count_vocoder(preset, rooms, false)};
  return work;
}

}  // namespace fastsag::model
