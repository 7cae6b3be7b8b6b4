#include "model/train/paper_examples.h"

#include <algorithm>
#include <cmath>

#include "dsp/mel.h"
#include "dsp/resampler.h"
#include "model/nn/mert.h"
#include "model/paper/front_end.h"

namespace fastsag::model {
namespace {

constexpr double kAlways = .01, kSometimes = .3, kLoudest = .1;  // noises of the recipe

template <class Function>
PaperExamples each(const std::vector<PaperExamples>& from, Function function) {
  const auto of = [&](auto member) -> torch::Tensor {
    std::vector<torch::Tensor> tensors;
    for (const PaperExamples& examples : from) tensors.push_back(member(examples));
    return tensors.front().defined() ? function(tensors) : torch::Tensor();
  };
  return {of([](const auto& e) { return e.voice_wave; }),
          of([](const auto& e) { return e.accompaniment_wave; }),
          {of([](const auto& e) { return e.batch.voice; }), of([](const auto& e) { return e.batch.accompaniment; }),
           of([](const auto& e) { return e.batch.mel; })},
          {of([](const auto& e) { return e.draws.sigma; }), of([](const auto& e) { return e.draws.noise; }),
           of([](const auto& e) { return e.draws.dropout; }), of([](const auto& e) { return e.draws.begin; })}};
}

torch::Tensor tensor_of(std::vector<float>& wave) {
  return torch::from_blob(wave.data(), {1, static_cast<int64_t>(wave.size())}).clone();
}

std::vector<float> ready(std::vector<float> wave, int64_t begin, int64_t rate) {
  dsp::minmax_scale(wave);
  const std::span<const float> crop(wave.data() + begin, static_cast<size_t>(kClipSeconds * rate));
  return dsp::resample(crop, static_cast<double>(rate), dsp::kMelSampleRate, dsp::ResampleQuality::kFast);
}

}  // namespace

PaperExamples PaperExamples::narrow(int64_t begin, int64_t count) const {
  return each({*this}, [&](const auto& tensors) { return tensors[0].narrow(0, begin, count); });
}
PaperExamples PaperExamples::to(torch::Device device) const {
  return each({*this}, [&](const auto& tensors) { return tensors[0].to(device); });
}
PaperExamples stack(const std::vector<PaperExamples>& examples) {
  return each(examples, [](const auto& tensors) { return torch::cat(tensors); });
}

void add_noise(std::vector<float>& voice, Chance& chance) {
  float peak = 0;
  for (const float x : voice) peak = std::max(peak, std::abs(x));
  const double more = chance.maybe(kSometimes) ? chance.uniform() * kLoudest * peak : 0;
  // The sum of two normals is one.
  const double deviation = std::hypot(kAlways, more);
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(chance.next());
  const torch::Tensor normal = torch::randn({static_cast<int64_t>(voice.size())}, generator);
  const float* noise = normal.const_data_ptr<float>();
  for (size_t i = 0; i < voice.size(); ++i) voice[i] += static_cast<float>(deviation * static_cast<double>(noise[i]));
}

PaperExamples make_example(const PaperTask& task, const Clip& clip, bool training, Chance chance) {
  const Stems& song = *clip.song;
  std::vector<float> voice = read_mono(song.vocals, clip.begin, clip.samples);
  const std::vector<float> rest = read_mono(song.no_vocals, clip.begin, clip.samples);
  if (training) add_noise(voice, chance);
  const auto spare = static_cast<double>(clip.samples - kClipSeconds * song.rate);
  const auto begin = static_cast<int64_t>(chance.uniform() * (spare + 1));
  voice = ready(std::move(voice), begin, song.rate);
  std::vector<float> accompaniment = ready(rest, begin, song.rate);

  PaperExamples example;
  std::vector<float> mel = dsp::mel(accompaniment);
  dsp::normalise(mel);
  const auto frames = static_cast<int64_t>(mel.size()) / dsp::kMelBands;
  example.batch.mel = torch::from_blob(mel.data(), {1, dsp::kMelBands, frames}).narrow(2, 0, task.sizes.frames).clone();
  int64_t feature_frames = mert_frames(std::ssize(voice));
  if (task.semitones) {
    example.batch.voice = semitone_features(voice, task.normalised).unsqueeze(0);
    example.batch.accompaniment = semitone_features(accompaniment, task.normalised).unsqueeze(0);
    feature_frames = example.batch.voice.size(1);
  } else {
    example.voice_wave = tensor_of(voice);
    example.accompaniment_wave = tensor_of(accompaniment);
  }
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(chance.next());
  example.draws.sigma = torch::randn({1}, generator);
  const bool whole = !training || task.columns == 0 || task.columns >= task.sizes.width;
  const int64_t columns = whole ? task.sizes.width : task.columns;
  example.draws.noise = torch::randn({1, task.sizes.bands, columns}, generator);
  if (!whole) example.draws.begin = torch::randint(task.sizes.width - columns + 1, {1}, generator, torch::kLong);
  if (task.path == ConditionPath::perceiver) example.draws.dropout = torch::randn({1, feature_frames}, generator);
  return example;
}

}  // namespace fastsag::model
