#include "model/paper/accompanist.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "dsp/tune.h"
#include "model/frame_noise.h"
#include "model/memory.h"
#include "model/paper/precision.h"
#include "model/stopwatch.h"
#include "model/torch_device.h"

namespace fastsag::model {
namespace {

// As the options have it; from before anything is loaded.
Preset settled(Preset preset, const AccompanistOptions& options) {
  torch::set_num_threads(options.threads);
  return_large_blocks(preset);
  preset.denoiser.steps = options.steps.value_or(preset.denoiser.steps);
  if (preset.denoiser.steps < 1)
    throw Error("0 steps were asked for, but preset " + preset.name +
                " makes its mel with the denoiser alone; expected 1 or more");
  preset.precision = settled_precision(preset, torch_device(options.device));
  return preset;
}

torch::Device settled_device(const Preset& preset, const AccompanistOptions& options) {
  const torch::Device device = torch_device(options.device, needed_bytes(preset));
  tune_device(device);
  return device;
}

}  // namespace

PaperAccompanist::PaperAccompanist(const Preset& preset, const AccompanistOptions& options,
                                   std::unique_ptr<GraphStream> stream) try
    : preset_(settled(preset, options)),
      device_(settled_device(preset_, options)),
      networks_(preset_, device_, options.plain),
      vocoder_(load_vocoder(preset_, device_, options.plain)),
      stream_(std::move(stream)) {
  if (!stream_ && device_.is_cuda() && !options.plain) stream_ = cuda_stream(device_);
  if (stream_) batches_ = std::make_unique<PaperBatches>(preset_, device_, networks_, *vocoder_, *stream_);
} catch (const c10::Error&) {
  throw_from_device(torch::Device(options.device), "loading preset " + preset.name);
}

void PaperAccompanist::prepare(int max_batch) {
  if (batches_) {
    const torch::InferenceMode no_gradients;
    try {
      batches_->prepare(std::max(max_batch, 1));
    } catch (const c10::Error&) {
      throw_from_device(device_, "preparing preset " + preset_.name + " for " + std::to_string(max_batch) + " rooms");
    }
  }
  const std::vector<float> voice = dsp::sung_tune(window_samples());
  const WindowRequest request{.voice = voice,
                              .voice_end = window_samples(),
                              .write_begin = window_samples() - 2 * kSampleRate,
                              .write_end = window_samples(),
                              .known_end = window_samples() - 2 * kSampleRate};
  // Memory and kernels are the same for one evaluation; what was recorded keeps its own number.
  networks_.set_steps(1);
  const std::vector<WindowRequest> requests(static_cast<size_t>(std::max(max_batch, 1)), request);
  std::vector<WindowResult> results(requests.size());
  generate(requests, results);
  networks_.set_steps(preset_.denoiser.steps);
}

DeviceStatus PaperAccompanist::device_status() const {
  DeviceStatus status = batches_ ? batches_->status() : DeviceStatus{};
  status.device = device_.str();
  if (device_.is_cuda()) status.eager += eager_;
  return status;
}

PaperInputs PaperAccompanist::inputs(std::span<const PaperWindow> windows) const {
  const auto of_each = [&](const auto& make) {
    std::vector<torch::Tensor> rows;
    for (const PaperWindow& window : windows) rows.push_back(make(window));
    return torch::stack(rows).to(device_);
  };
  const PaperSizes& sizes = preset_.sizes;
  PaperInputs inputs;
  if (networks_.wants_features())
    inputs.heard = of_each([&](const PaperWindow& window) { return networks_.heard(window.voice); });
  if (networks_.wants_mel())
    inputs.mel = of_each([&](const PaperWindow& window) { return mel_of(window.voice).narrow(1, 0, sizes.frames); });
  inputs.noise = of_each([&](const PaperWindow& window) {
    return frame_noise(window.seed, window.first_frame, sizes.width, sizes.bands, device_);
  });
  if (std::ranges::none_of(windows, [](const PaperWindow& window) { return window.known.defined(); })) return inputs;
  inputs.known = of_each([&](const PaperWindow& window) {
    torch::Tensor all = torch::zeros({sizes.bands, sizes.width});
    if (window.known.defined()) all.narrow(1, window.known_begin, window.known.size(1)).copy_(window.known);
    return all;
  });
  inputs.known_frames = of_each([&](const PaperWindow& window) {
    torch::Tensor all = torch::zeros({1, sizes.width});
    if (window.known.defined()) all.narrow(1, window.known_begin, window.known.size(1)).fill_(1);
    return all;
  });
  return inputs;
}

// An operator at a time.
void PaperAccompanist::write(std::span<const PaperWindow> windows, std::span<PaperSound> sounds) {
  Stopwatch watch;
  PaperMade made;
  const PaperInputs given = inputs(windows);
  networks_.hear(given, made);
  watch.lap(timing_.front_end);
  networks_.condition(given, made);
  watch.lap(timing_.prior);
  networks_.sample(given, made);
  for (size_t i = 0; i < windows.size(); ++i) sounds[i] = {{}, failure_of(made, static_cast<int64_t>(i))};
  watch.lap(timing_.denoiser);
  for (size_t i = 0; i < windows.size(); ++i) {
    const PaperWindow& window = windows[i];
    if (!sounds[i].error.empty()) continue;
    sounds[i].audio = vocoder_->synthesize(made.mel[static_cast<int64_t>(i)].narrow(1, 0, preset_.sizes.frames).t(),
                                           window.first_frame, window.write_begin, window.write_end, window.played);
  }
  watch.lap(timing_.vocoder);
}

void PaperAccompanist::generate(std::span<const WindowRequest> requests, std::span<WindowResult> results) {
  if (requests.size() != results.size()) throw Error("generate() wants one result a request");
  const torch::InferenceMode no_gradients;
  timing_ = {};
  Stopwatch watch;
  std::vector<PaperWindow> windows;
  std::vector<size_t> rooms;  // of the windows
  for (size_t i = 0; i < requests.size(); ++i) {
    results[i] = {};
    results[i].audio.assign(static_cast<size_t>(requests[i].write_end - requests[i].write_begin), 0.0f);
    if (PaperWindow window = paper_window(requests[i], preset_.sizes); !window.silent) {
      windows.push_back(std::move(window));
      rooms.push_back(i);
    }
  }
  watch.lap(timing_.front_end);
  if (windows.empty()) return;
  std::vector<PaperSound> sounds(windows.size());
  try {
    if (batches_) {
      batches_->generate(windows, sounds);
      watch.lap(timing_.denoiser);  // of the graphs: nothing tells their parts apart
    } else {
      write(windows, sounds);
      ++eager_;
    }
  } catch (const c10::Error&) {
    throw_from_device(device_, "writing a window of preset " + preset_.name);
  }
  for (PaperSound& sound : sounds)
    if (sound.error.empty() && !std::ranges::all_of(sound.audio, [](float x) { return std::isfinite(x); }))
      sound.error = "the vocoder made numbers that are none: its weights are broken";
  // Weights, most likely, and no fault of a room's.
  if (std::ranges::none_of(sounds, [](const PaperSound& sound) { return sound.error.empty(); }))
    throw Error(sounds.front().error);
  for (size_t w = 0; w < windows.size(); ++w) {
    results[rooms[w]].error = std::move(sounds[w].error);
    if (results[rooms[w]].error.empty()) results[rooms[w]].audio = std::move(sounds[w].audio);
  }
}

}  // namespace fastsag::model
