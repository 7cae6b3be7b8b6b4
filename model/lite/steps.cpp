#include "model/lite/steps.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace fastsag::model {
namespace {

constexpr int kNear = 8;  // steps to each side that "near" looks at

int pitch_class(int pitch) { return ((pitch % 12) + 12) % 12; }

double overlap(const StepNote& note, double begin, double end) {
  return std::max(0.0, std::min(note.release, end) - std::max(note.onset, begin));
}

// The part of the notes that lies in [begin, end), onsets that lie outside it marked by a negative velocity.
dsp::Pooled<StepNote> cut(std::span<const StepNote> notes, double begin, double end, double earliest = 0) {
  dsp::Pooled<StepNote> out;
  begin = std::max(begin, earliest);
  end = std::min<double>(end, kWindowSteps);
  for (StepNote note : notes) {
    if (note.release <= begin || note.onset >= end) continue;
    if (note.onset < begin) note.velocity = -1;
    note.onset = std::max(note.onset, begin);
    note.release = std::min(note.release, end);
    out.push_back(note);
  }
  return out;
}

int onset_step(const StepNote& note) { return static_cast<int>(std::lround(note.onset)); }

// Place of a step in its bar, in steps; nothing where bars are not known.
std::optional<int> place_in_bar(const StepWindow& window, int step) {
  if (window.bar_beats <= 0) return std::nullopt;
  const int beat = (window.first_beat + step / kStepsPerBeat) % window.bar_beats;
  return std::min(beat * kStepsPerBeat + step % kStepsPerBeat, 15);
}

}  // namespace

ChordFeatures chord_features(const StepWindow& window) {
  using Profile = std::array<float, 12>;
  dsp::Pooled<Profile> sounding(kSongSteps), struck(kSongSteps);
  Profile all{};
  float sum = 1;  // a bar's worth of nothing: a short line says little
  const auto row_of = [](int step) { return static_cast<size_t>(step - kSongBegin); };
  for (const StepNote& note : cut(window.melody, window.voice_begin, window.voice_end, kSongBegin)) {
    const auto pc = static_cast<size_t>(pitch_class(note.pitch));
    for (int step = static_cast<int>(std::floor(note.onset)); step < note.release; ++step) {
      const auto part = static_cast<float>(overlap(note, step, step + 1));
      sounding[row_of(step)][pc] = std::min(1.0f, sounding[row_of(step)][pc] + part);
      all[pc] += part;
      sum += part;
    }
    if (const int step = onset_step(note); note.velocity >= 0 && step < kWindowSteps) struck[row_of(step)][pc] = 1;
  }
  ChordFeatures out;
  out.pitches.reserve(kSongSteps * 12 * kPitchFeatures);
  out.scalars.reserve(kSongSteps * kStepScalars);
  for (int step = kSongBegin; step < kWindowSteps; ++step) {
    for (size_t pc = 0; pc < 12; ++pc) {
      float near = 0;
      for (int k = std::max(kSongBegin, step - kNear); k <= std::min(kWindowSteps - 1, step + kNear); ++k)
        near += sounding[row_of(k)][pc];
      for (const float value : {sounding[row_of(step)][pc], struck[row_of(step)][pc], near / 4, 4 * all[pc] / sum})
        out.pitches.push_back(value);
    }
    const double middle = step + 0.5;
    out.scalars.push_back(middle >= window.voice_begin && middle < window.voice_end);
    out.scalars.push_back(static_cast<float>(std::clamp((middle - window.voice_end) / 16, 0.0, 2.0)));
    for (int place = 0; place < kStepsPerBeat; ++place)
      out.scalars.push_back((step - kSongBegin) % kStepsPerBeat == place);
  }
  return out;
}

int triad_index(const StepChord& chord) {
  return chord.quality == Quality::none ? -1 : chord.root * 2 + (chord.quality == Quality::minor ? 1 : 0);
}

StepChord triad(int index) {
  if (index < 0) return {};
  return {index / 2, index % 2 == 1 ? Quality::minor : Quality::major};
}

dsp::Pooled<float> beat_features(const StepWindow& window) {
  dsp::Pooled<float> features(kWindowSteps * kBeatFeatures, 0.0f);
  const auto at = [&](int step, int feature) -> float& {
    return features[static_cast<size_t>(step * kBeatFeatures + feature)];
  };
  const dsp::Pooled<StepNote> notes = cut(window.melody, window.voice_begin, window.voice_end);
  const StepNote* before = nullptr;
  for (const StepNote& note : notes) {
    for (int step = std::max(0, onset_step(note)); step < std::min<double>(note.release, kWindowSteps); ++step)
      at(step, 4) = 1;
    const int step = onset_step(note);
    if (note.velocity < 0 || step < 0 || step >= kWindowSteps) continue;
    at(step, 0) = 1;
    at(step, 1) = static_cast<float>(std::log1p(std::min(note.release - note.onset, 16.0)));
    if (before) {
      at(step, 2) = std::clamp(static_cast<float>(note.pitch - before->pitch) / 6, -2.0f, 2.0f);
      at(step, 3) = note.pitch == before->pitch ? 1 : 0;
    }
    at(step, 6) = static_cast<float>(note.onset - step) * 2;
    before = &note;
  }
  for (int step = 0; step < kWindowSteps; ++step)
    at(step, kBeatKnown) = step + 1 > window.voice_begin && step < window.voice_end ? 1 : 0;
  return features;
}

dsp::Pooled<float> note_conditions(const StepWindow& window, std::span<const StepChord> chords, const Style& style) {
  const auto melody = cut(window.melody, window.voice_begin, window.voice_end);
  std::array<const StepNote*, kWindowSteps> sung{};
  std::array<double, kWindowSteps> most{};
  most.fill(0.3);  // less of a step is no note to speak of
  std::array<bool, kWindowSteps> struck{};
  for (const StepNote& note : melody) {
    for (int step = static_cast<int>(note.onset); step < note.release && step < kWindowSteps; ++step) {
      const auto s = static_cast<size_t>(step);
      if (const double part = overlap(note, step, step + 1); part > most[s]) sung[s] = &note, most[s] = part;
    }
    if (const int step = onset_step(note); note.velocity >= 0 && step < kWindowSteps)
      struck[static_cast<size_t>(step)] = true;
  }
  dsp::Pooled<float> out(static_cast<size_t>(kWindowSteps) * kNoteConditions);
  const auto chord_at = [&](int step) {
    return step < static_cast<int>(chords.size()) ? chords[static_cast<size_t>(step)] : StepChord{};
  };
  for (int step = 0; step < kWindowSteps; ++step) {
    const auto s = static_cast<size_t>(step);
    float* row = &out[s * kNoteConditions];
    const StepChord chord = chord_at(step), next = chord_at(step + kStepsPerBeat);
    row[12 + static_cast<int>(chord.quality)] = 1;
    if (chord.quality != Quality::none) row[chord.root] = 1;
    const bool both = chord.quality != Quality::none && next.quality != Quality::none;
    row[15 + (both ? pitch_class(next.root - chord.root) : 12)] = 1;
    row[28] = step > 0 && chord != chord_at(step - 1);
    const bool heard = step + 0.5 >= window.voice_begin && step + 0.5 < window.voice_end;
    row[29 + (!heard ? 13 : sung[s] ? pitch_class(sung[s]->pitch - chord.root) : 12)] = 1;
    row[43] = struck[s];
    row[44] = sung[s] ? static_cast<float>(sung[s]->pitch - 66) / 12 : 0;
    if (const auto place = place_in_bar(window, step)) row[45] = row[46 + *place] = 1;
    row[62 + step % kStepsPerBeat] = 1;
    if (style.notes_per_step >= 0) row[66] = 1, row[67] = style.notes_per_step;
    if (style.velocity >= 0) row[68] = 1, row[69] = (style.velocity - 76) / 16;
  }
  return out;
}

int velocity_of(int index) { return 34 + 12 * index; }

dsp::Pooled<ScoreNote> quantise(std::span<const StepNote> notes) {
  const auto place = [](const ScoreNote& note) { return std::pair(note.step, note.pitch); };
  dsp::Pooled<ScoreNote> all;
  for (const StepNote& note : notes) {
    const int step = static_cast<int>(std::floor(note.onset + 0.5));
    if (step < 0 || step >= kWindowSteps || note.pitch < kLowestPitch || note.pitch > kHighestPitch) continue;
    const double length = note.release - note.onset;
    const auto nearest =
        std::ranges::min_element(kLengths, {}, [&](double l) { return std::abs(std::log(l / std::max(length, 0.1))); });
    const auto velocity = std::clamp(static_cast<int>(std::lround((note.velocity - 34) / 12.0)), 0, kVelocities - 1);
    const ScoreNote written{step, note.pitch, static_cast<int>(nearest - kLengths.begin()), velocity};
    all.insert(std::ranges::upper_bound(all, place(written), {}, place), written);
  }
  dsp::Pooled<ScoreNote> out;
  for (size_t begin = 0, end; begin < all.size(); begin = end) {
    dsp::Pooled<ScoreNote> step;
    for (end = begin; end < all.size() && all[end].step == all[begin].step; ++end)
      if (step.empty() || step.back().pitch != all[end].pitch) step.push_back(all[end]);
    if (const auto extra = static_cast<long>(step.size()) - kNotesPerStep; extra > 0)
      step.erase(step.begin() + 2, step.begin() + 2 + extra);
    out.insert(out.end(), step.begin(), step.end());
  }
  return out;
}

}  // namespace fastsag::model
