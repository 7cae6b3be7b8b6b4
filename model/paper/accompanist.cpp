#include "model/paper/accompanist.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "dsp/tune.h"
#include "model/checkpoint.h"
#include "model/edm.h"
#include "model/frame_noise.h"
#include "model/memory.h"
#include "model/paper/published.h"
#include "model/stopwatch.h"
#include "model/torch_device.h"

namespace fastsag::model {
namespace {

using torch::indexing::Slice;

constexpr int64_t kHop = dsp::kMelHop;
constexpr int64_t kEdgeFrames = 2;  // at the ends of what was played, whose mel hears past them
constexpr float kSilence = 5e-4f;   // -66 dBFS: a voice below it is none

torch::Tensor mel_of(std::span<const float> wave) {
  std::vector<float> mel = dsp::mel(wave);
  dsp::normalise(mel);
  const auto frames = static_cast<int64_t>(mel.size()) / dsp::kMelBands;
  return torch::from_blob(mel.data(), {dsp::kMelBands, frames}).clone();
}

void check(const torch::Tensor& x, const char* block) {
  if (!torch::isfinite(x).all().item<bool>())
    throw Error(std::string("the ") + block +
                " made numbers that are none: its weights, or what it was given, are broken");
}

}  // namespace

struct PaperAccompanist::Window {
  int64_t first_frame = 0;   // of the timeline
  std::vector<float> voice;  // scaled; window_samples(), zeros where it is not known
  bool silent = true;
  torch::Tensor features;  // [T1][channels]
  torch::Tensor known;     // mel [100][count] of what was played, from frame known_begin of the window
  int64_t known_begin = 0;
  uint64_t seed = 1;
};

PaperAccompanist::PaperAccompanist(const Preset& preset, const AccompanistOptions& options)
    : preset_(preset), device_(torch_device(options.device)), condition_(preset.sizes), unet_(preset.sizes.unet_dim) {
  torch::set_num_threads(options.threads);
  return_large_blocks(preset_);
  if (options.steps) preset_.denoiser.steps = *options.steps;
  if (preset_.denoiser.steps < 1)
    throw Error("0 steps were asked for, but preset " + preset_.name +
                " makes its mel with the denoiser alone; expected 1 or more");
  if (preset_.front_end.kind == "mert") {
    check_converted(preset_.weights, "FastSAG's checkpoint (grad_N.pt, github.com/chenjianyi/fastsag)");
  } else if (!std::filesystem::is_regular_file(preset_.weights)) {
    throw Error("no such file: " + preset_.weights.string() + "; train it: fastsag_train --config configs/train/" +
                preset_.name + ".toml --data CORPUS --out " + preset_.weights.string());
  }
  const SafetensorsFile file(preset_.weights);
  const std::array parts = {PrefixedModule{"", condition_.get()}, PrefixedModule{"decoder.estimator", unet_.get()}};
  load_modules(parts, file);
  for (const PrefixedModule& part : parts) {
    part.module->to(device_);
    part.module->eval();
  }
  if (device_.is_cpu()) unet_->prepare(preset_.precision == "bf16" ? torch::kBFloat16 : torch::kFloat);
  front_end_ = load_front_end(preset_.front_end, device_);
  vocoder_ = load_vocoder(preset_, device_);
}

void PaperAccompanist::prepare(int max_batch) {
  const std::vector<float> voice = dsp::sung_tune(window_samples());
  const WindowRequest request{.voice = voice,
                              .voice_end = window_samples(),
                              .write_begin = window_samples() - 2 * kSampleRate,
                              .write_end = window_samples(),
                              .known_end = window_samples() - 2 * kSampleRate};
  const int steps = std::exchange(preset_.denoiser.steps, 1);  // memory and kernels are the same for one evaluation
  const std::vector<WindowRequest> requests(static_cast<size_t>(std::max(max_batch, 1)), request);
  std::vector<WindowResult> results(requests.size());
  generate(requests, results);
  preset_.denoiser.steps = steps;
}

PaperAccompanist::Window PaperAccompanist::hear(const WindowRequest& request) {
  Window window;
  window.seed = request.controls.seed;
  const int64_t end = std::max(request.voice_end, request.write_end);
  window.first_frame = (end + kHop - 1) / kHop - preset_.sizes.frames;
  const int64_t begin = window.first_frame * kHop;
  if (request.write_begin < begin)
    throw Error("more was asked for than a window of " + std::to_string(window_samples() / kSampleRate) + " s holds");

  window.voice.assign(static_cast<size_t>(window_samples()), 0.0f);
  const int64_t voice_begin = request.voice_end - std::ssize(request.voice);
  const int64_t from = std::max(begin, voice_begin), to = std::min(begin + window_samples(), request.voice_end);
  if (from < to)
    std::copy_n(request.voice.begin() + (from - voice_begin), to - from, window.voice.begin() + (from - begin));
  window.silent = std::ranges::all_of(window.voice, [](float x) { return std::abs(x) < kSilence; });
  if (window.silent) return window;
  dsp::minmax_scale(window.voice);
  window.features = front_end_->features(window.voice);
  check(window.features, "front end");

  // Frames of what was played, on the window's grid, that end before what is to be written.
  const int64_t played_begin = request.played_end - std::ssize(request.played);
  const int64_t played_end = std::min(request.played_end, request.known_end);
  const int64_t first = std::max((played_begin + kHop - 1) / kHop, window.first_frame);
  const int64_t count = played_end / kHop - first;
  if (count <= 2 * kEdgeFrames) return window;
  const torch::Tensor mel = mel_of(
      request.played.subspan(static_cast<size_t>(first * kHop - played_begin), static_cast<size_t>(count * kHop)));
  window.known = mel.index({Slice(), Slice(kEdgeFrames, -kEdgeFrames)}).to(device_);
  window.known_begin = first + kEdgeFrames - window.first_frame;
  return window;
}

torch::Tensor PaperAccompanist::condition_of(const Window& window) {
  const int64_t frames = preset_.sizes.frames;
  torch::Tensor condition;
  if (preset_.condition != "mel") {
    const auto semantic = window.features.unsqueeze(0);
    const auto path = preset_.condition == "perceiver" ? ConditionPath::perceiver : ConditionPath::bilinear;
    const torch::Tensor translated = condition_->translate(semantic);
    check(translated, "semantic block");
    condition = condition_->resample(translated + semantic, frames, path)[0];
  }
  if (preset_.condition != "perceiver" && preset_.condition != "bilinear") {
    const auto mel = mel_of(window.voice).slice(1, 0, frames).to(device_);
    condition = condition.defined() ? condition + mel : mel;
  }
  return condition;
}

torch::Tensor PaperAccompanist::prior(std::span<const Window> windows) {
  std::vector<torch::Tensor> conditions;
  for (const Window& window : windows) conditions.push_back(condition_of(window));
  torch::Tensor mu = condition_->prior(torch::stack(conditions));
  check(mu, "prior");
  return mu;
}

torch::Tensor PaperAccompanist::sample(std::span<const Window> windows, const torch::Tensor& mu) {
  std::vector<torch::Tensor> draws;
  for (const Window& window : windows)
    draws.push_back(
        frame_noise(window.seed, window.first_frame, preset_.sizes.width, dsp::kMelBands, device_).t().contiguous());
  const torch::Tensor noise = torch::stack(draws);
  const torch::Tensor mask =
      (torch::arange(preset_.sizes.width, device_) < preset_.sizes.frames).to(torch::kFloat).view({1, 1, -1});
  const auto impose = [&](torch::Tensor& x, double sigma) {
    for (size_t i = 0; i < windows.size(); ++i) {
      if (!windows[i].known.defined()) continue;
      const auto frames = Slice(windows[i].known_begin, windows[i].known_begin + windows[i].known.size(1));
      const auto b = static_cast<int64_t>(i);
      x.index_put_({b, Slice(), frames}, windows[i].known + sigma * noise.index({b, Slice(), frames}));
    }
  };
  EdmOptions edm;
  edm.steps = preset_.denoiser.steps;
  edm.sigma_max = preset_.denoiser.sigma_max;
  const auto network = [this](const torch::Tensor& x, const torch::Tensor& m, const torch::Tensor& mean,
                              const torch::Tensor& c_noise) { return unet_->forward(x, m, mean, c_noise); };
  torch::Tensor mel = edm_sample(edm, network, noise, mask, mu, impose);
  impose(mel, 0);
  check(mel, "denoiser");
  return mel;
}

void PaperAccompanist::generate(std::span<const WindowRequest> requests, std::span<WindowResult> results) {
  if (requests.size() != results.size()) throw Error("generate() wants one result a request");
  const torch::InferenceMode no_gradients;
  timing_ = {};
  Stopwatch watch;
  std::vector<Window> windows;
  std::vector<size_t> rooms;  // of the windows
  for (size_t i = 0; i < requests.size(); ++i) {
    results[i] = {};
    results[i].audio.assign(static_cast<size_t>(requests[i].write_end - requests[i].write_begin), 0.0f);
    if (Window window = hear(requests[i]); !window.silent) {
      windows.push_back(std::move(window));
      rooms.push_back(i);
    }
  }
  watch.lap(timing_.front_end);
  if (windows.empty()) return;
  const torch::Tensor mu = prior(windows);
  watch.lap(timing_.prior);
  const torch::Tensor mel = sample(windows, mu);
  watch.lap(timing_.denoiser);
  for (size_t w = 0; w < windows.size(); ++w) {
    const WindowRequest& request = requests[rooms[w]];
    auto& audio = results[rooms[w]].audio;
    audio =
        vocoder_->synthesize(mel[static_cast<int64_t>(w)].slice(1, 0, preset_.sizes.frames).t(), windows[w].first_frame,
                             request.write_begin, request.write_end, {request.played, request.played_end});
    if (!std::ranges::all_of(audio, [](float x) { return std::isfinite(x); }))
      throw Error("the vocoder made numbers that are none: its weights are broken");
  }
  watch.lap(timing_.vocoder);
}

}  // namespace fastsag::model
