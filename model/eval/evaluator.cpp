#include <algorithm>
#include <array>
#include <cmath>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "dsp/quantile.h"
#include "dsp/resampler.h"
#include "model/eval/embedder.h"
#include "model/eval/frechet.h"
#include "model/evaluate.h"
#include "model/hashed_normal.h"
#include "model/paper/published.h"

namespace fastsag::model {
namespace {

constexpr size_t kWindow = 10 * kEvaluationRate;  // what the model hears and writes; longer clips are cut into these
constexpr size_t kShortest = kEvaluationRate;

enum Who : size_t { kTruth, kOurs, kRandom };
constexpr std::array<const char*, 3> kWhoNames = {"true accompaniment", "accompaniment to be judged", "random song"};

// One feature of one set of sounds.
struct FeatureSet {
  Gaussian all;
  std::vector<Gaussian> clips;  // of small sets, to be drawn from
};
using FeatureSets = std::array<std::vector<FeatureSet>, 3>;  // [who][feature]

struct Sound {
  std::string name;
  FeatureSets sets;
};

class EvaluatorOfSets final : public Evaluator {
 public:
  EvaluatorOfSets(const EvaluationOptions& options, int64_t clips)
      : options_(options), keep_clips_(clips <= kSmallSet && options.resamples > 0) {
    if (!options.mert.empty()) embedders_.push_back(load_mert_embedder(options.mert, options.device));
    if (!options.embedder.empty()) {
      embedders_.push_back(load_script_embedder(options.embedder, options.embedder_rate, options.device));
    }
    if (embedders_.empty()) throw Error("nothing to compare by: give MERT's weights, or an embedder");
    for (const auto& embedder : embedders_) {
      names_.insert(names_.end(), embedder->names().begin(), embedder->names().end());
    }
    if (!options.vocoder.empty()) {
      vocoder_ = load_bigvgan(options.vocoder);
      vocoder_->to(torch::Device(options.device));
      if (torch::Device(options.device).is_cpu()) vocoder_->prepare();
    }
    for (Sound& sound : sounds_) {
      for (auto& sets : sound.sets) sets.resize(names_.size());
    }
  }

  void add(const EvaluationClip& clip) override {
    const std::array<std::span<const float>, 3> given = {clip.truth, clip.ours, clip.random};
    size_t length = std::min(clip.truth.size(), clip.ours.size());
    for (const auto& sound : {clip.random, clip.vocals}) {
      if (!sound.empty()) length = std::min(length, sound.size());
    }
    if (length < kShortest) {
      throw Error(clip.name + " has " + std::to_string(length) +
                  " samples at 24 kHz in common; expected a second at least");
    }
    for (size_t who = kTruth; who <= kRandom; ++who) {
      if (!std::ranges::all_of(given[who], [](float x) { return std::isfinite(x); })) {
        throw Error(clip.name + ": the " + kWhoNames[who] + " holds samples that are no numbers");
      }
    }
    if (keep_clips_) {
      for (Sound& sound : sounds_) {
        for (auto& sets : sound.sets) {
          for (FeatureSet& set : sets) set.clips.emplace_back();
        }
      }
    }
    for (size_t begin = 0; begin < length && (begin == 0 || length - begin >= kShortest); begin += kWindow) {
      const size_t size = std::min(kWindow, length - begin);
      for (size_t who = kTruth; who <= kRandom; ++who) {
        if (given[who].empty()) continue;
        std::vector<float> audio(given[who].begin() + static_cast<ptrdiff_t>(begin),
                                 given[who].begin() + static_cast<ptrdiff_t>(begin + size));
        if (who != kOurs && vocoder_) audio = vocoded(audio);
        if (who != kRandom || clip.random_from_elsewhere) embed(sounds_[0], who, audio);
        if (clip.vocals.empty()) continue;
        for (size_t i = 0; i < size; ++i) audio[i] += clip.vocals[begin + i];
        embed(sounds_[1], who, audio);
      }
    }
    if (keep_clips_) {
      for (Sound& sound : sounds_) {
        for (auto& sets : sound.sets) {
          for (FeatureSet& set : sets) set.clips.back() = set.clips.back().compact();
        }
      }
    }
    ++clips_;
    samples_ += length;
  }

  EvaluationReport report(const std::function<void(double)>& progress) override {
    EvaluationReport report;
    report.clips = clips_;
    report.seconds = static_cast<double>(samples_) / kEvaluationRate;
    const auto absent = [](const Sound& sound) { return sound.sets[kTruth][0].all.frames() == 0; };
    const auto sounds = std::size(sounds_) - static_cast<size_t>(std::ranges::count_if(sounds_, absent));
    const double steps = static_cast<double>(sounds * names_.size()) * (options_.resamples + 1);
    double done = 0;
    const auto step = [&] {
      if (progress) progress(++done / steps);
    };
    for (const Sound& sound : sounds_) {
      if (absent(sound)) continue;
      std::vector<EvaluationRow> rows;
      std::vector<Draws> draws;
      for (size_t feature = 0; feature < names_.size(); ++feature) {
        rows.push_back(row(sound, feature));
        step();
        draws.push_back(resampled(sound, feature, step));
      }
      if (const size_t layers = options_.mert.empty() ? 0 : embedders_[0]->names().size()) {
        rows.insert(rows.begin() + static_cast<ptrdiff_t>(layers), mean_row(std::span(rows).first(layers)));
        draws.insert(draws.begin() + static_cast<ptrdiff_t>(layers), mean_draws(std::span(draws).first(layers)));
      }
      for (size_t i = 0; i < rows.size(); ++i) {
        rows[i].ours.interval = interval(draws[i][0]);
        if (rows[i].random) rows[i].random->interval = interval(draws[i][1]);
        report.rows.push_back(std::move(rows[i]));
      }
    }
    return report;
  }

 private:
  using Draws = std::array<std::vector<double>, 2>;  // distances of ours, of the random songs; one a resample

  void embed(Sound& sound, size_t who, std::span<const float> audio) {
    size_t feature = 0;
    for (const auto& embedder : embedders_) {
      const bool same_rate = embedder->sample_rate() == kEvaluationRate;
      const auto frames = embedder->embed(
          same_rate ? audio : std::span<const float>(dsp::resample(audio, kEvaluationRate, embedder->sample_rate())));
      for (const torch::Tensor& values : frames) {
        if (!torch::isfinite(values).all().item<bool>()) {
          throw Error(names_[feature] + " gives features that are no numbers for a " + kWhoNames[who]);
        }
        FeatureSet& set = sound.sets[who][feature++];
        set.all.add(values);
        if (keep_clips_) set.clips.back().add(values);
      }
    }
  }

  std::vector<float> vocoded(std::vector<float> audio) {
    const torch::InferenceMode no_grad;
    const size_t size = audio.size();
    audio.resize((size + dsp::kMelHop - 1) / dsp::kMelHop * dsp::kMelHop);
    std::vector<float> mel = dsp::mel(audio);
    const torch::Tensor x =
        torch::from_blob(mel.data(), {1, dsp::kMelBands, dsp::mel_frames(static_cast<int64_t>(audio.size()))});
    const torch::Tensor y = vocoder_->forward(x.to(torch::Device(options_.device))).cpu().contiguous();
    return {y.data_ptr<float>(), y.data_ptr<float>() + size};
  }

  EvaluationRow row(const Sound& sound, size_t feature) const {
    const auto& sets = sound.sets;
    EvaluationRow row{.sound = sound.name, .features = names_[feature]};
    row.frames = std::min(sets[kTruth][feature].all.frames(), sets[kOurs][feature].all.frames());
    row.dimensions = sets[kTruth][feature].all.dimensions();
    const FrechetReference reference(sets[kTruth][feature].all);
    row.ours.value = reference.distance(sets[kOurs][feature].all);
    if (sets[kRandom][feature].all.frames()) row.random = Distance{reference.distance(sets[kRandom][feature].all), {}};
    return row;
  }

  // Clips drawn with replacement, the same for every set and feature.
  Draws resampled(const Sound& sound, size_t feature, const std::function<void()>& step) const {
    Draws draws;
    const auto& sets = sound.sets;
    for (int resample = 0; resample < options_.resamples; ++resample, step()) {
      if (!keep_clips_ || clips_ < 2) continue;
      std::array<Gaussian, 3> drawn;
      for (int64_t pick = 0; pick < clips_; ++pick) {
        const uint64_t number =
            splitmix64(splitmix64(options_.seed + static_cast<uint64_t>(resample)) + static_cast<uint64_t>(pick));
        const auto clip = static_cast<size_t>(number % static_cast<uint64_t>(clips_));
        for (size_t who = kTruth; who <= kRandom; ++who) drawn[who].add(sets[who][feature].clips[clip]);
      }
      const FrechetReference reference(drawn[kTruth]);
      draws[0].push_back(reference.distance(drawn[kOurs]));
      if (drawn[kRandom].frames()) draws[1].push_back(reference.distance(drawn[kRandom]));
    }
    return draws;
  }

  static EvaluationRow mean_row(std::span<const EvaluationRow> layers) {
    EvaluationRow mean = layers[0];
    mean.features = "MERT mean";
    const auto count = static_cast<double>(layers.size());
    mean.ours.value = 0;
    if (mean.random) mean.random->value = 0;
    for (const EvaluationRow& layer : layers) {
      mean.ours.value += layer.ours.value / count;
      if (mean.random) mean.random->value += layer.random->value / count;
    }
    return mean;
  }

  static Draws mean_draws(std::span<const Draws> layers) {
    Draws mean;
    for (size_t which = 0; which < mean.size(); ++which) {
      mean[which].resize(layers[0][which].size());
      for (const Draws& layer : layers) {
        for (size_t i = 0; i < mean[which].size(); ++i) {
          mean[which][i] += layer[which][i] / static_cast<double>(layers.size());
        }
      }
    }
    return mean;
  }

  // Of the middle 95 %.
  static std::optional<std::pair<double, double>> interval(std::vector<double> draws) {
    if (draws.size() < 2) return {};
    std::ranges::sort(draws);
    return std::pair(dsp::quantile(draws, 0.025), dsp::quantile(draws, 0.975));
  }

  EvaluationOptions options_;
  bool keep_clips_;
  std::vector<std::unique_ptr<Embedder>> embedders_;
  std::vector<std::string> names_;
  BigVgan vocoder_{nullptr};
  std::array<Sound, 2> sounds_ = {Sound{"accompaniment", {}}, Sound{"mix", {}}};
  int64_t clips_ = 0;
  size_t samples_ = 0;
};

}  // namespace

std::unique_ptr<Evaluator> make_evaluator(const EvaluationOptions& options, int64_t clips) {
  return std::make_unique<EvaluatorOfSets>(options, clips);
}

}  // namespace fastsag::model
