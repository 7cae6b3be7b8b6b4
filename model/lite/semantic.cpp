#include "model/lite/semantic.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "model/lite/chord_path.h"
#include "model/lite/steering.h"

namespace fastsag::model {
namespace {

// The corpus' means. Always told: left to itself a chain of windows grows ever sparser and louder.
// What the generator is asked for so that it writes as many notes as the validation songs have (their own .86 a step
// would give two thirds of them: sampling without the tail of the distribution ends steps early).
constexpr float kUsualNotesPerStep = 1.2f, kUsualVelocity = 77;
// Velocities at loudness 1. The generator is asked for the first (of the songs' 10-s windows a quarter lie further
// off), which it follows as it likes; the second is added to what it wrote, and it never knows.
constexpr float kLoudest = 16, kTouch = 10;
constexpr float kDensest = .5f;  // octaves of notes a step at density 1: the generator overdoes what is more than usual
constexpr float kSparsest = .25f;  // of the usual notes, where nobody seems to sing
constexpr int kLongestRest = 24;   // steps without an onset after which what came before is no beginning to go on from

// The window's steps on the timeline.
struct Grid {
  double start = 0;  // position of step 0
  double step = 0;   // samples
  int64_t first_beat = 0;

  Grid(const Pulse& pulse, int64_t end) : step(pulse.period / kStepsPerBeat) {
    first_beat =
        static_cast<int64_t>(std::ceil((static_cast<double>(end) - pulse.origin) / pulse.period)) - kWindowBeats;
    start = pulse.origin + static_cast<double>(first_beat) * pulse.period;
  }
  double at(int64_t position) const { return (static_cast<double>(position) - start) / step; }
  int64_t position(double steps) const { return std::llround(start + steps * step); }
  // The first step that starts at or after a position.
  int from(int64_t pos) const { return std::clamp(static_cast<int>(std::ceil(at(pos) - 1e-6)), 0, kWindowSteps); }
};

int touch_of(const Controls& controls) { return static_cast<int>(std::lround(kTouch * controls.loudness)); }

StepWindow window_of(const SemanticInput& in, const Grid& grid) {
  StepWindow window;
  for (const auto& note : in.melody)
    window.melody.push_back(
        {grid.at(note.onset), grid.at(note.release), static_cast<int>(std::lround(note.pitch - in.tuning)), 80});
  window.voice_begin = grid.at(in.voice_begin);
  window.voice_end = grid.at(in.voice_end);
  if (in.past && !in.past->chords.empty()) {
    for (const Note& note : in.past->notes)
      if (note.onset < in.known_end && note.channel == kPianoChannel)
        window.past.push_back({grid.at(note.onset), grid.at(note.release), note.pitch,
                               std::clamp(note.velocity - touch_of(in.controls), 1, 127)});
  }
  if (in.pulse.beats_per_bar > 0) {
    window.bar_beats = in.pulse.beats_per_bar;
    const int64_t n = window.bar_beats;
    window.first_beat = static_cast<int>((((grid.first_beat - in.pulse.downbeat) % n) + n) % n);
  }
  return window;
}

const Chord* chord_at(const Plan* plan, int64_t position) {
  if (!plan) return nullptr;
  const auto next = std::ranges::upper_bound(plan->chords, position, {}, &Chord::from);
  return next == plan->chords.begin() ? nullptr : &*std::prev(next);
}

// What a chart says of a beat, counted from the window's first; null where there is none.
const Chord* chart_at(const SemanticInput& in, const Grid& grid, int beat) {
  if (!in.controls.chart || !in.pulse.number) return nullptr;
  const int64_t number = *in.pulse.number + grid.first_beat + beat;
  return number < 0 ? nullptr : &in.controls.chart->at(number);
}

// The same of all the window's beats; null also where the beat was played with a chord.
dsp::Pooled<const Chord*> charted_beats(const SemanticInput& in, const Grid& grid) {
  dsp::Pooled<const Chord*> charted(kWindowBeats, nullptr);
  for (int beat = 0; beat < kWindowBeats; ++beat) {
    const Chord* chord = chart_at(in, grid, beat);
    const bool played = grid.position((beat + 0.5) * kStepsPerBeat) < in.known_end;
    if (chord && (!played || chord->quality == Quality::none)) charted[static_cast<size_t>(beat)] = chord;
  }
  return charted;
}

// Triads of the window's beats that were played before known_end or stand in a chart; -1 where they are free.
dsp::Pooled<int> held_triads(const SemanticInput& in, const Grid& grid, std::span<const Chord* const> charted) {
  dsp::Pooled<int> held(kWindowBeats, -1);
  for (int beat = 0; beat < kWindowBeats; ++beat) {
    const int64_t middle = grid.position((beat + 0.5) * kStepsPerBeat);
    const Chord* chord = middle < in.known_end ? chord_at(in.past, middle) : charted[static_cast<size_t>(beat)];
    if (chord) held[static_cast<size_t>(beat)] = triad_index({chord->root, chord->quality});
  }
  return held;
}

// From the voice alone: shown what it played itself, the net believed its own mistakes and stayed on a chord for ever.
// What was played binds through `held`. Nor is it told of bars, which are heard right one time in two only
// (docs/SOUND.md). A plain harmony changes less often, an adventurous one dares what the net thinks less likely.
ChordPath chords_of(ChordNet& net, const StepWindow& window, std::span<const int> held, const Controls& controls,
                    const Grid& grid) {
  torch::InferenceMode inference;
  const ChordFeatures features = chord_features(window);
  ChordPathOptions options;
  if (const auto key = locked_key(controls)) options.allowed = triads_of(*key);
  options.change *= Controls{}.temperature / controls.temperature;
  dsp::Pooled<int64_t> beats;
  for (int beat = 0; beat < kWindowBeats; ++beat) beats.push_back(grid.position(beat * kStepsPerBeat));
  const dsp::Pooled<float> dared = daring(controls, beats);
  options.daring = dared;
  const dsp::Pooled<float> p = net->probabilities(features.pitches, features.scalars);
  return chord_path(std::span(p).last(kWindowBeats * kTriads), held, options);
}

// How surely what was heard of late is singing, which holds its notes: half its time and more is in long ones, and of
// speech a tenth, of drums nothing (docs/SOUND.md). Nor does it stay on one pitch as the hum of a machine does. 0..1.
constexpr int64_t kHeld = kSampleRate * 3 / 10;
float singing(const SemanticInput& in) {
  constexpr int64_t kRecent = 20 * kSampleRate, kMonotone = 5 * kSampleRate;
  constexpr float kHum = .2f;  // semitones
  constexpr double kHeldShare = .35;
  int64_t all = 0, held = 0;
  float lowest = 128, highest = 0;
  for (const auto& note : in.melody) {
    const int64_t length = note.release - std::max(note.onset, in.voice_end - kRecent);
    if (length <= 0) continue;
    all += length;
    if (note.release - note.onset >= kHeld) held += length;
    lowest = std::min(lowest, note.pitch), highest = std::max(highest, note.pitch);
  }
  if (held == 0 || (all > kMonotone && highest - lowest < kHum)) return 0;
  return static_cast<float>(std::min(1.0, static_cast<double>(held) / (kHeldShare * static_cast<double>(all))));
}

// Where the accompaniment may strike: near what was sung (near held notes alone where that is not sure), not before and
// not long after; not where a chart has no chord.
dsp::Pooled<bool> awake_steps(const SemanticInput& in, const Grid& grid, std::span<const Chord* const> charted,
                              float sure) {
  const auto patience = static_cast<int64_t>(LiteSemantic::kRestAfterSeconds * kSampleRate);
  dsp::Pooled<bool> awake(kWindowSteps, false);
  for (int step = 0; step < kWindowSteps; ++step) {
    const int64_t position = grid.position(step), soon = grid.position(step + 1);
    const Chord* chord = charted[static_cast<size_t>(step / kStepsPerBeat)];
    if (chord && chord->quality == Quality::none) continue;
    awake[static_cast<size_t>(step)] = std::ranges::any_of(in.melody, [&](const auto& note) {
      return note.onset <= soon && note.release > position - patience &&
             (sure == 1 || (sure > 0 && note.release - note.onset >= kHeld));
    });
  }
  return awake;
}

// The pitch that is sung in each step, 0 where none is.
dsp::Pooled<int> sung_steps(const StepWindow& window) {
  dsp::Pooled<int> sung(kWindowSteps, 0);
  for (const StepNote& note : window.melody)
    for (int step = std::max(0, static_cast<int>(note.onset + 0.5));
         step < std::min<double>(note.release, kWindowSteps); ++step)
      sung[static_cast<size_t>(step)] = note.pitch;
  return sung;
}

// What was played, as the generator would have written it, and the step that its sequence starts at.
std::pair<dsp::Pooled<ScoreNote>, int> prefix_of(const StepWindow& window, int begin) {
  dsp::Pooled<StepNote> played = window.past;
  for (StepNote& note : played) {
    const double late = note.onset - (begin - 1);
    if (late > 0) note.onset -= late, note.release -= late;  // the step that begins is the generator's own
  }
  dsp::Pooled<ScoreNote> score = quantise(played);
  int next = begin;
  auto first = score.end();
  while (first != score.begin() && next - std::prev(first)->step <= kLongestRest) next = (--first)->step;
  score.erase(score.begin(), first);
  return {std::move(score), next};
}

// Krumhansl and Kessler's key profiles against what sounds: the chords and the tune.
std::optional<Chord> key_of(const StepWindow& window, std::span<const StepChord> chords) {
  static constexpr std::array kMajor = {6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88};
  static constexpr std::array kMinor = {6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17};
  std::array<double, 12> weight{};
  double sung = 0;
  for (const StepNote& note : window.melody) {
    const double length = std::min<double>(note.release, kWindowSteps) - note.onset;
    if (length > 0) weight[static_cast<size_t>(note.pitch % 12)] += length, sung += length;
  }
  if (sung <= 0) return std::nullopt;
  for (const StepChord& chord : chords)
    for (const int interval : {0, chord.quality == Quality::minor ? 3 : 4, 7})
      if (chord.quality != Quality::none) weight[static_cast<size_t>((chord.root + interval) % 12)] += 0.02;
  Chord best{.confidence = -1};
  for (const Quality quality : {Quality::major, Quality::minor})
    for (int root = 0; root < 12; ++root) {
      const auto& profile = quality == Quality::major ? kMajor : kMinor;
      double xy = 0, xx = 0, yy = 0, mean_x = 0, mean_y = 0;
      for (size_t i = 0; i < 12; ++i) mean_x += weight[i] / 12, mean_y += profile[i] / 12;
      for (size_t i = 0; i < 12; ++i) {
        const double x = weight[(i + static_cast<size_t>(root)) % 12] - mean_x, y = profile[i] - mean_y;
        xy += x * y, xx += x * x, yy += y * y;
      }
      const auto match = static_cast<float>(xy / std::sqrt(xx * yy + 1e-9));
      if (match > best.confidence) best = {0, root, quality, match};
    }
  best.confidence = std::max(best.confidence, 0.0f);
  return best;
}

// Steps from one on that a note may last: at most `length`, and not into a beat where a chart has no chord, though that
// may lie beyond the window.
double until_silence(const SemanticInput& in, const Grid& grid, int begin, double length) {
  for (int step = begin; step < begin + length; ++step) {
    const Chord* chord = chart_at(in, grid, step / kStepsPerBeat);
    if (chord && chord->quality == Quality::none) return step - begin;
  }
  return length;
}

void add_chord(std::vector<Chord>& chords, const Chord& chord) {
  if (chords.empty() || chords.back().root != chord.root || chords.back().quality != chord.quality)
    chords.push_back(chord);
}

}  // namespace

LiteSemantic::LiteSemantic() {
  beat_net->eval();
  chord_net->eval();
  note_generator->eval();
}

Plan LiteSemantic::plan(const SemanticInput& input) {
  Plan made;
  plan(input, made);
  return made;
}

void LiteSemantic::plan(const SemanticInput& asked, Plan& plan) {
  SemanticInput in = asked;
  in.pulse = counted(in.pulse, in.controls, {in.melody, in.past, in.known_end});
  const std::optional<Chord> locked = locked_key(in.controls);
  const Grid grid(in.pulse, std::max(in.write_end, in.voice_end));
  const StepWindow window = window_of(in, grid);
  const auto charted = charted_beats(in, grid);
  ChordPath path = chords_of(chord_net, window, held_triads(in, grid, charted), in.controls, grid);
  dsp::Pooled<StepChord> chords;
  dsp::Pooled<uint16_t> allowed;
  for (int step = 0; step < kWindowSteps; ++step) {
    const auto beat = static_cast<size_t>(step / kStepsPerBeat);
    const Chord* chord = charted[beat];
    if (chord) path.confidence[beat] = 1;
    chords.push_back(chord ? StepChord{chord->root, chord->quality} : triad(path.triads[beat]));
    if (locked) allowed.push_back(pitch_classes(*locked, chords.back()));
  }

  plan.notes.clear();
  plan.chords.clear();
  plan.pulse = in.pulse;
  plan.key = locked ? locked : key_of(window, chords);
  const float sure = singing(in);
  const dsp::Pooled<bool> awake = awake_steps(in, grid, charted, sure);
  const int known = grid.from(in.known_end);
  int begin = known, end = grid.from(in.write_end);
  while (begin < end && !awake[static_cast<size_t>(begin)]) ++begin;
  while (begin < end && !awake[static_cast<size_t>(end) - 1]) --end;

  if (in.past)
    for (const Note& note : in.past->notes)
      if (note.onset < in.known_end && note.release > grid.position(0)) plan.notes.push_back(note);
  if (begin < end) {
    // Less chance means fewer steps that end early, and more notes: told fewer, they stay as many.
    const float calm = std::min(1.0f, std::pow(in.controls.temperature / Controls{}.temperature, .25f));
    const float density = in.controls.density > 0 ? kDensest * in.controls.density : in.controls.density;
    const Style style{calm * std::max(sure * sure, kSparsest) * kUsualNotesPerStep * std::exp2(density),
                      kUsualVelocity + kLoudest * in.controls.loudness};
    const auto [prefix, prefix_begin] = prefix_of(window, begin);
    dsp::Pooled<int64_t> positions;
    for (int step = 0; step < kWindowSteps; ++step) positions.push_back(grid.position(step) / 256);
    const auto written = note_generator->sample(
        note_conditions(window, chords, style), chords, prefix, prefix_begin, begin, end, positions,
        {in.controls.seed, in.controls.temperature, 0.95f}, sung_steps(window), allowed);
    for (const ScoreNote& note : written) {
      const double length = until_silence(in, grid, note.step, kLengths[static_cast<size_t>(note.length)]);
      if (length <= 0) continue;
      const int64_t onset = grid.position(note.step), gap = kSampleRate / 200;
      const int64_t release = std::max(onset + 6 * gap, grid.position(note.step + length) - gap);
      const int velocity = std::clamp(velocity_of(note.velocity) + touch_of(in.controls), 1, 127);
      plan.notes.push_back({onset, release, note.pitch, velocity, kPianoChannel});
    }
  }

  // Chords that were played stay as they were; the first beat that is free starts the new ones.
  const int free_beat =
      std::clamp(static_cast<int>(std::ceil(grid.at(in.known_end) / kStepsPerBeat - 0.5)), 0, kWindowBeats);
  const int64_t cut = grid.position(free_beat * kStepsPerBeat);
  if (in.past) {
    const Chord* sounding = chord_at(in.past, grid.position(0));
    for (const Chord& chord : in.past->chords)
      if (chord.from < cut && (chord.from >= grid.position(0) || &chord == sounding)) add_chord(plan.chords, chord);
  }
  for (int beat = free_beat; beat < kWindowBeats && grid.position(beat * kStepsPerBeat) < in.write_end; ++beat) {
    const auto first = awake.begin() + beat * kStepsPerBeat;
    const bool sounds = std::find(first, first + kStepsPerBeat, true) != first + kStepsPerBeat;
    const StepChord chord = chords[static_cast<size_t>(beat * kStepsPerBeat)];
    if (sounds)
      add_chord(plan.chords, {grid.position(beat * kStepsPerBeat), chord.root, chord.quality,
                              path.confidence[static_cast<size_t>(beat)]});
    else
      add_chord(plan.chords, {.from = grid.position(beat * kStepsPerBeat)});
  }
}

}  // namespace fastsag::model
