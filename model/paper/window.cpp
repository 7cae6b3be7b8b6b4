#include "model/paper/window.h"

#include <algorithm>
#include <cmath>

#include "dsp/error.h"
#include "dsp/mel.h"

namespace fastsag::model {
namespace {

constexpr int64_t kSamples = 10 * kSampleRate;
constexpr int64_t kEdgeFrames = 2;  // at the ends of what was played, whose mel hears past them
constexpr float kSilence = 5e-4f;   // -66 dBFS: a voice below it is none

}  // namespace

torch::Tensor mel_of(std::span<const float> wave) {
  std::vector<float> mel = dsp::mel(wave);
  dsp::normalise(mel);
  const auto frames = static_cast<int64_t>(mel.size()) / dsp::kMelBands;
  return torch::from_blob(mel.data(), {dsp::kMelBands, frames}).clone();
}

PaperWindow paper_window(const WindowRequest& request, const PaperSizes& sizes) {
  PaperWindow window;
  window.seed = request.controls.seed;
  window.write_begin = request.write_begin;
  window.write_end = request.write_end;
  window.played = {request.played, request.played_end};
  const int64_t end = std::max(request.voice_end, request.write_end);
  window.first_frame = (end + dsp::kMelHop - 1) / dsp::kMelHop - sizes.frames;
  const int64_t begin = window.first_frame * dsp::kMelHop;
  if (request.write_begin < begin)
    throw Error("more was asked for than a window of " + std::to_string(kSamples / kSampleRate) + " s holds");

  window.voice.assign(static_cast<size_t>(kSamples), 0.0f);
  const int64_t voice_begin = request.voice_end - std::ssize(request.voice);
  const int64_t from = std::max(begin, voice_begin), to = std::min(begin + kSamples, request.voice_end);
  if (from < to)
    std::copy_n(request.voice.begin() + (from - voice_begin), to - from, window.voice.begin() + (from - begin));
  window.silent = std::ranges::all_of(window.voice, [](float x) { return std::abs(x) < kSilence; });
  if (window.silent) return window;
  dsp::minmax_scale(window.voice);

  // Frames of what was played, on the window's grid, that end before what is to be written.
  const int64_t played_begin = request.played_end - std::ssize(request.played);
  const int64_t played_end = std::min(request.played_end, request.known_end);
  const int64_t first = std::max((played_begin + dsp::kMelHop - 1) / dsp::kMelHop, window.first_frame);
  const int64_t count = played_end / dsp::kMelHop - first;
  if (count <= 2 * kEdgeFrames) return window;
  const torch::Tensor mel = mel_of(
      request.played.subspan(static_cast<size_t>(first * dsp::kMelHop - played_begin), static_cast<size_t>(count * dsp::kMelHop)));
  window.known = mel.narrow(1, kEdgeFrames, mel.size(1) - 2 * kEdgeFrames);
  window.known_begin = first + kEdgeFrames - window.first_frame;
  return window;
}

}  // namespace fastsag::model
