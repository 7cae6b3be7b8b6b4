#include "model/train/semantic_parts.h"

#include <algorithm>
#include <array>

#include "model/lite/chord_path.h"

namespace fastsag::model {
namespace {

using torch::Tensor;
namespace F = torch::nn::functional;

enum Salt : uint64_t { kChordSalt = 1, kNoteSalt, kChordCheck, kNoteCheck, kBeatSalt, kBeatCheck };

Chance chance_of(const BatchKey& key, Salt salt, int64_t number) {
  return Chance({salt, key.seed, static_cast<uint64_t>(key.step), static_cast<uint64_t>(key.rank),
                 static_cast<uint64_t>(number)});
}

torch::Device device_of(const torch::nn::Module& module) { return module.parameters().front().device(); }

// [rows of one size] -> [rows, shape...]
template <typename Value>
Tensor stacked(const std::vector<dsp::Pooled<Value>>& rows, std::vector<int64_t> shape) {
  std::vector<Tensor> out;
  for (const auto& values : rows) out.push_back(torch::tensor(torch::ArrayRef<Value>(values)).view(shape));
  return torch::stack(out);
}

struct BeatBatch {
  Tensor features, place;
};

BeatBatch beat_batch(const std::vector<BeatWindow>& windows, torch::Device device) {
  std::vector<dsp::Pooled<float>> features;
  std::vector<int64_t> places;
  for (const BeatWindow& window : windows) {
    features.push_back(beat_features(window.heard));
    places.push_back(window.place);
  }
  return {stacked(features, {kWindowSteps, kBeatFeatures}).to(device), torch::tensor(places).to(device)};
}

struct ChordBatch {
  Tensor pitches, scalars;
  Tensor target;  // [batch, kSongBeats], -1 where there is nothing to learn
};

// from: the first step of a window whose chord is to be told.
template <typename From>
ChordBatch chord_batch(const std::vector<TrainingWindow>& windows, torch::Device device, From from) {
  std::vector<dsp::Pooled<float>> pitches, scalars;
  std::vector<dsp::Pooled<int64_t>> targets;
  for (const TrainingWindow& window : windows) {
    ChordFeatures features = chord_features(window.heard);
    pitches.push_back(std::move(features.pitches));
    scalars.push_back(std::move(features.scalars));
    auto& target = targets.emplace_back(kSongBeats, -1);
    for (int beat = 0; beat < kSongBeats; ++beat)
      if (kSongBegin + (beat + 1) * kStepsPerBeat > from(window))
        target[static_cast<size_t>(beat)] = triad_index(window.song[static_cast<size_t>(beat)]);
  }
  return {stacked(pitches, {kSongSteps, 12, kPitchFeatures}).to(device),
          stacked(scalars, {kSongSteps, kStepScalars}).to(device), stacked(targets, {kSongBeats}).to(device)};
}

// The mean over what there is to learn; 0 where there is nothing (a rest, no chord).
Tensor cross_entropy(const Tensor& logits, const Tensor& target) {
  return F::cross_entropy(logits.flatten(0, -2).to(torch::kFloat), target.flatten(),
                          F::CrossEntropyFuncOptions().ignore_index(-1).reduction(torch::kSum)) /
         (target >= 0).sum().clamp_min(1);
}

struct NoteBatch {
  Tensor conditions;
  NoteTokens tokens;
  Tensor interval, length, velocity;  // what comes next, [batch, tokens]; -1 = nothing to learn
};

NoteBatch note_batch(const std::vector<TrainingWindow>& windows, const std::vector<Style>& styles,
                     torch::Device device) {
  std::vector<dsp::Pooled<float>> conditions;
  std::vector<NoteTokens> tokens;
  int64_t longest = 0;
  for (size_t i = 0; i < windows.size(); ++i) {
    conditions.push_back(note_conditions(windows[i].heard, windows[i].chords, styles[i]));
    tokens.push_back(note_tokens(windows[i].score, windows[i].chords, 0, kWindowSteps));
    longest = std::max(longest, tokens.back().step.size(1));
  }
  const auto joined = [&](Tensor NoteTokens::*field, int64_t filling) {
    std::vector<Tensor> rows;
    for (const NoteTokens& t : tokens)
      rows.push_back(
          F::pad(t.*field, F::PadFuncOptions({0, longest - (t.*field).size(1)}).value(static_cast<double>(filling))));
    return torch::cat(rows);
  };
  NoteBatch batch;
  batch.conditions = stacked(conditions, {kWindowSteps, kNoteConditions}).to(device);
  const Tensor step = joined(&NoteTokens::step, kWindowSteps), interval = joined(&NoteTokens::interval, kEndOfStep);
  const Tensor length = joined(&NoteTokens::length, 0), velocity = joined(&NoteTokens::velocity, 0);
  const auto next = [&](const Tensor& t, int64_t last) {
    return F::pad(t.slice(1, 1), F::PadFuncOptions({0, 1}).value(static_cast<double>(last)));
  };
  const Tensor is_padding = step == kWindowSteps;
  const Tensor target = next(interval, kEndOfStep), no_note = is_padding | (target == kEndOfStep);
  batch.interval = target.masked_fill(is_padding, -1).to(device);
  batch.length = next(length, 0).masked_fill(no_note, -1).to(device);
  batch.velocity = next(velocity, 0).masked_fill(no_note, -1).to(device);
  batch.tokens = {step.clamp_max(kWindowSteps - 1).to(device), interval.to(device),
                  joined(&NoteTokens::pitch, 0).to(device), length.to(device), velocity.to(device)};
  return batch;
}

struct NoteLosses {
  Tensor interval, length, velocity, logits;
};

NoteLosses note_losses(NoteGenerator& net, const NoteBatch& batch) {
  const NoteLogits logits = net->forward(batch.conditions, batch.tokens, batch.interval.clamp_min(0));
  return {cross_entropy(logits.interval, batch.interval), cross_entropy(logits.length, batch.length),
          cross_entropy(logits.velocity, batch.velocity), logits.interval};
}

Style style_of(std::span<const ScoreNote> score) {
  float sum = 0;
  for (const ScoreNote& note : score) sum += static_cast<float>(velocity_of(note.velocity));
  const auto count = static_cast<float>(score.size());
  return {count / kWindowSteps, count > 0 ? sum / count : -1};
}

// Windows of the held-out songs, the same ones every time, where people sing.
std::vector<TrainingWindow> held_out(const std::vector<Song>& songs, Hearing hearing, const Spoiling& spoiling,
                                     Salt salt) {
  constexpr int kPerSong = 4;
  std::vector<TrainingWindow> out;
  for (size_t i = 0; i < songs.size(); ++i) {
    const BeatMap map(songs[i]);
    const int room = map.count() - 1 - kWindowBeats;
    for (int k = 0; k < kPerSong && room > 0; ++k) {
      Chance chance({salt, static_cast<uint64_t>(hearing), i, static_cast<uint64_t>(k)});
      out.push_back(window_at(songs[i], room * (2 * k + 1) / (2 * kPerSong), kStepsPerBeat, hearing, spoiling, chance));
    }
  }
  return out;
}

template <typename Use>
void in_batches(const std::vector<TrainingWindow>& windows, Use use) {
  constexpr size_t kBatch = 16;
  for (size_t i = 0; i < windows.size(); i += kBatch)
    use(std::vector(windows.begin() + static_cast<long>(i),
                    windows.begin() + static_cast<long>(std::min(i + kBatch, windows.size()))));
}

struct ChordFigures {
  double ce = 0, exact = 0;
};

// Cross-entropy a step, and the share of beats whose triad is the annotated one after the Viterbi path.
ChordFigures check_chords(ChordNet& net, const std::vector<TrainingWindow>& all) {
  torch::NoGradGuard no_grad;
  double ce = 0, steps = 0, exact = 0, beats = 0;
  in_batches(all, [&](const std::vector<TrainingWindow>& windows) {
    const ChordBatch batch =
        chord_batch(windows, device_of(*net), [](const TrainingWindow& window) { return window.unknown_from; });
    const auto of_window = [](const Tensor& t) { return t.slice(1, kSongBeats - kWindowBeats).cpu().contiguous(); };
    const Tensor log_p = of_window(torch::log_softmax(net->forward(batch.pitches, batch.scalars), -1));
    const Tensor p = log_p.exp();
    const Tensor target = of_window(batch.target);
    const auto known = (target >= 0).sum().item<double>();
    ce += torch::nll_loss(log_p.flatten(0, 1), target.flatten(), {}, at::Reduction::Sum, -1).item<double>();
    steps += known;
    for (size_t i = 0; i < windows.size(); ++i) {
      std::vector<int> held(kWindowBeats, -1);
      const ChordPath path = chord_path({p[static_cast<int64_t>(i)].data_ptr<float>(), kWindowBeats * kTriads}, held);
      const auto* truth = target[static_cast<int64_t>(i)].data_ptr<int64_t>();
      for (size_t beat = 0; beat < kWindowBeats; ++beat)
        if (truth[beat] >= 0) exact += path.triads[beat] == truth[beat], ++beats;
    }
  });
  return {ce / std::max(steps, 1.0), exact / std::max(beats, 1.0)};
}

}  // namespace

PartOptions BeatPart::options() const {
  return {.steps = 3000, .learning_rate = 2e-3, .weight_decay = 0.02, .warmup = 100, .ema = 0.998};
}

Tensor BeatPart::loss(const BatchKey& key, std::map<std::string, double>&) {
  std::vector<BeatWindow> windows;
  for (int64_t i = 0; i < batch_; ++i) {
    Chance chance = chance_of(key, kBeatSalt, i);
    windows.push_back(random_beat_window(songs_->train, chance));
  }
  const BeatBatch batch = beat_batch(windows, device_of(*net_));
  return torch::nll_loss(net_->forward(batch.features), batch.place);
}

std::map<std::string, double> BeatPart::validate() {
  torch::NoGradGuard no_grad;
  std::vector<BeatWindow> windows;
  for (uint64_t i = 0; i < 400; ++i) {
    Chance chance({kBeatCheck, i});
    windows.push_back(random_beat_window(songs_->validate, chance));
  }
  const BeatBatch batch = beat_batch(windows, device_of(*net_));
  const Tensor log_p = net_->forward(batch.features);
  const Tensor of_beat = torch::logsumexp(log_p.view({-1, kBarSteps / kStepsPerBeat, kStepsPerBeat}), 1);
  const auto share = [](const Tensor& right) { return right.to(torch::kDouble).mean().item<double>(); };
  return {{"ce", torch::nll_loss(log_p, batch.place).item<double>()},
          {"bar", share(log_p.argmax(1) == batch.place)},
          {"beat", share(of_beat.argmax(1) == batch.place.remainder(kStepsPerBeat))}};
}

PartOptions ChordPart::options() const {
  return {.steps = 4000, .learning_rate = 3e-3, .weight_decay = 0.05, .warmup = 100, .ema = 0.998};
}

Tensor ChordPart::loss(const BatchKey& key, std::map<std::string, double>&) {
  std::vector<TrainingWindow> windows;
  for (int64_t i = 0; i < batch_; ++i) {
    Chance chance = chance_of(key, kChordSalt, i);
    windows.push_back(random_window(songs_->train, chance));
  }
  const ChordBatch batch =
      chord_batch(windows, device_of(*net_), [](const TrainingWindow& window) { return window.heard.voice_begin; });
  return cross_entropy(net_->forward(batch.pitches, batch.scalars), batch.target);
}

std::map<std::string, double> ChordPart::validate() {
  std::map<std::string, double> figures;
  const auto add = [&](const std::string& name, Hearing hearing, const Spoiling& spoiling, bool cold = false) {
    auto windows = held_out(songs_->validate, hearing, spoiling, kChordCheck);
    if (cold)  // the song began with the window
      for (TrainingWindow& window : windows) window.heard.voice_begin = 0;
    const ChordFigures found = check_chords(net_, windows);
    figures[name + "_ce"] = found.ce;
    figures[name + "_exact"] = found.exact;
  };
  add("all", Hearing::all, {.tracker = 1});
  add("live", Hearing::live, {.tracker = 1});
  add("cold", Hearing::all, {.tracker = 1}, true);
  add("cold_live", Hearing::live, {.tracker = 1}, true);
  add("written", Hearing::all, {.tracker = 0, .bars = true});
  return figures;
}

PartOptions NotePart::options() const {
  return {.steps = 6000, .learning_rate = 2e-3, .weight_decay = 0.03, .warmup = 100, .ema = 0.998};
}

Tensor NotePart::loss(const BatchKey& key, std::map<std::string, double>& figures) {
  std::vector<TrainingWindow> windows;
  std::vector<Style> styles;
  for (int64_t i = 0; i < batch_; ++i) {
    Chance chance = chance_of(key, kNoteSalt, i);
    windows.push_back(random_window(songs_->train, chance));
    StepWindow& heard = windows.back().heard;
    if (chance.maybe(0.3)) heard.voice_end = chance.uniform(0.3, 1) * kWindowSteps;
    Style& style = styles.emplace_back(style_of(windows.back().score));
    if (chance.maybe(0.4)) style.notes_per_step = -1;
    if (chance.maybe(0.4)) style.velocity = -1;
  }
  const NoteLosses losses = note_losses(net_, note_batch(windows, styles, device_of(*net_)));
  figures["pitch_ce"] = losses.interval.item<double>();
  return losses.interval + 0.3 * losses.length + 0.2 * losses.velocity;
}

std::map<std::string, double> NotePart::validate() {
  torch::NoGradGuard no_grad;
  std::map<std::string, double> figures;
  double batches = 0;
  in_batches(held_out(songs_->validate, Hearing::all, {.tracker = 1, .bars = true}, kNoteCheck),
             [&](const std::vector<TrainingWindow>& windows) {
               const NoteBatch batch = note_batch(windows, std::vector<Style>(windows.size()), device_of(*net_));
               const NoteLosses losses = note_losses(net_, batch);
               const Tensor known = batch.interval >= 0;
               figures["pitch_ce"] += losses.interval.item<double>();
               figures["length_ce"] += losses.length.item<double>();
               figures["velocity_ce"] += losses.velocity.item<double>();
               figures["accuracy"] += ((losses.logits.argmax(-1) == batch.interval) & known).sum().item<double>() /
                                      known.sum().item<double>();
               ++batches;
             });
  for (auto& [name, value] : figures) value /= std::max(batches, 1.0);
  return figures;
}

}  // namespace fastsag::model
