#include "dsp/melody.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <numeric>

#include "dsp/quantile.h"
#include "dsp/variants.h"

namespace fastsag::dsp {
namespace {

// States of the note path: 0 = rest, then levels a third of a semitone apart, because singers keep to no exact scale.
constexpr float kLowestPitch = 34.0f, kStep = 1.0f / 3;
constexpr int kLevels = 158;

// Costs a frame (10 ms), and once a change.
constexpr float kFarthest = 2.5f;  // semitones squared: a lone octave jump costs no more than this
constexpr float kUnvoicedInNote = 0.45f;
constexpr float kVoicedInRest = 0.8f;
constexpr float kNewNote = 4.5f;   // a whole tone for 20 ms, a semitone for 45 ms, vibrato of a semitone never
constexpr float kNoteEdge = 2.0f;  // rest to note or back

constexpr size_t kShortestNote = 6;  // frames
constexpr float kDipDb = 7.0f;       // a level dip this deep, both sides, strikes the same pitch again,
constexpr float kRiseDb = 6.0f;      // where it rises so much in kRiseFrames; in rooms the level comes and goes slowly.
constexpr size_t kRiseFrames = 3;
constexpr float kDeepDipDb = 12.0f;  // A dip this deep always does.
constexpr size_t kDipReach = 12;     // frames either side in which the level must come back

constexpr float kSofterDb = 18.0f;  // a note so much softer leaks in from elsewhere
constexpr float kFarBelow = 15.0f;  // semitones under the middle of what is sung in the window

float midi_of(float hz) { return 69.0f + 12.0f * std::log2(hz / 440.0f); }

struct Segment {
  size_t begin = 0, end = 0;  // frames
  float pitch = 0;
  float confidence = 0;
  float level_db = 0;
};

// The least of the levels' costs, and where it stands first.
constexpr size_t kPadded = (kLevels + 15) / 16 * 16;
using Costs = std::array<float, kPadded>;  // beyond kLevels: never the least
FASTSAG_VARIANTS size_t cheapest(const Costs& costs) {
  std::array<float, 16> least;
  std::copy_n(costs.begin(), 16, least.begin());
  for (size_t s = 16; s < kPadded; s += 16)
    for (size_t lane = 0; lane < 16; ++lane)
      least[lane] = costs[s + lane] < least[lane] ? costs[s + lane] : least[lane];
  float lowest = least[0];
  for (const float cost : least) lowest = cost < lowest ? cost : lowest;
  size_t at = 0;
  while (costs[at] != lowest) ++at;
  return at;
}

// Each level goes on, or is entered where that costs less; its own cost of the frame comes on top.
FASTSAG_VARIANTS void step_levels(float enter, float pitch, float sure, float unvoiced, Costs& costs,
                                  std::array<char, kPadded>& entered) {
  for (size_t s = 0; s < kPadded; ++s) {
    const float away = pitch - (kLowestPitch + kStep * static_cast<float>(static_cast<int32_t>(s)));
    const float square = away * away, far = square < kFarthest ? square : kFarthest;
    entered[s] = enter < costs[s];
    costs[s] = (enter < costs[s] ? enter : costs[s]) + sure * far + unvoiced;
  }
}

// Level of every frame: -1 = rest.
Pooled<int> note_path(std::span<const F0Frame> frames) {
  struct Step {
    int entered_from, rest_from;             // levels; -1: the rest
    std::array<char, kPadded> entered = {};  // else it went on
  };
  Pooled<Step> steps(frames.size());
  Costs costs{};
  float rest = 0;
  for (size_t k = 0; k < frames.size(); ++k) {
    std::fill(costs.begin() + kLevels, costs.end(), 1e9f);
    const auto best = static_cast<int>(cheapest(costs));
    const float lowest = costs[static_cast<size_t>(best)];
    const bool voiced = frames[k].hz > 0, from_rest = rest + kNoteEdge < lowest + kNewNote;
    const bool rests = k > 0 && lowest + kNoteEdge < rest;
    const float enter = k > 0 ? std::min(rest + kNoteEdge, lowest + kNewNote) : 1e9f;
    const float sure = voiced ? frames[k].voicing : 0;
    steps[k].entered_from = from_rest ? -1 : best;
    steps[k].rest_from = rests ? best : -1;
    step_levels(enter, voiced ? midi_of(frames[k].hz) : 0, sure, voiced ? 0 : kUnvoicedInNote, costs, steps[k].entered);
    rest = (rests ? lowest + kNoteEdge : rest) + kVoicedInRest * sure;
  }
  Pooled<int> path(frames.size());
  const auto last = static_cast<int>(cheapest(costs));
  int state = rest <= costs[static_cast<size_t>(last)] ? -1 : last;
  for (size_t k = frames.size(); k-- > 0;) {
    path[k] = state;
    if (state < 0)
      state = steps[k].rest_from;
    else if (steps[k].entered[static_cast<size_t>(state)])
      state = steps[k].entered_from;
  }
  return path;
}

// Frames of [begin, end) where the voice dips and strikes again: split points.
Pooled<size_t> restrikes(std::span<const F0Frame> frames, size_t begin, size_t end) {
  Pooled<size_t> found;
  size_t last = begin;
  for (size_t k = begin + kShortestNote; k + kShortestNote < end; ++k) {
    const auto level = [&](size_t i) { return frames[i].rms_db; };
    const size_t left = std::max(last, k > kDipReach ? k - kDipReach : 0), right = std::min(end, k + kDipReach + 1);
    float before = level(left), after = level(k), lowest = level(k);
    for (size_t i = left; i < right; ++i) {
      if (i < k) before = std::max(before, level(i));
      if (i > k) after = std::max(after, level(i));
      lowest = std::min(lowest, level(i));
    }
    const float dip = std::min(before, after) - level(k);
    if (level(k) > lowest || dip < kDipDb) continue;
    float rise = 0;
    for (size_t i = k; i + kRiseFrames < right; ++i) rise = std::max(rise, level(i + kRiseFrames) - level(i));
    if (dip < kDeepDipDb && rise < kRiseDb) continue;
    size_t strike = k;  // the steepest rise after the dip
    for (size_t i = k; i + 1 < right; ++i)
      if (level(i + 1) - level(i) > level(strike + 1) - level(strike)) strike = i;
    if (strike + 1 - last >= kShortestNote && end - strike - 1 >= kShortestNote) found.push_back(last = strike + 1);
    k = std::max(k, strike);
  }
  return found;
}

Segment measured(std::span<const F0Frame> frames, size_t begin, size_t end) {
  Pooled<float> pitches;
  float voicing = 0, power = 0;
  for (size_t k = begin; k < end; ++k) {
    power += std::pow(10.0f, 0.1f * frames[k].rms_db);
    if (frames[k].hz <= 0) continue;
    pitches.push_back(midi_of(frames[k].hz));
    voicing += frames[k].voicing;
  }
  if (pitches.empty()) return {begin, end};
  const auto length = static_cast<float>(end - begin);
  const auto middle = pitches.begin() + std::ssize(pitches) / 2;
  std::ranges::nth_element(pitches, middle);
  const float pitch = *middle;
  const auto near = std::ranges::count_if(pitches, [&](float p) { return std::abs(p - pitch) < 1.0f; });
  const float steadiness = static_cast<float>(near) / static_cast<float>(pitches.size());
  return {begin, end, pitch, steadiness * voicing / length, 10 * std::log10(power / length)};
}

// A short note an octave off both its neighbours, which are close to each other, was misheard.
void repair_octaves(std::span<Segment> notes) {
  for (size_t i = 1; i + 1 < notes.size(); ++i) {
    const float between = 0.5f * (notes[i - 1].pitch + notes[i + 1].pitch);
    const float off = notes[i].pitch - between;
    if (std::abs(notes[i - 1].pitch - notes[i + 1].pitch) > 5 || notes[i].end - notes[i].begin > 25) continue;
    if (std::abs(std::abs(off) - 12) > 2.6f) continue;
    notes[i].pitch -= off > 0 ? 12.0f : -12.0f;
    notes[i].confidence *= 0.5f;
  }
}

// A bass or mains hum between the phrases, which nobody sings who sings so high else.
void drop_bass(Pooled<Segment>& notes) {
  Pooled<Segment> by_pitch = notes;
  std::ranges::sort(by_pitch, {}, &Segment::pitch);
  const auto weight = [](const Segment& s) { return static_cast<float>(s.end - s.begin) * s.confidence; };
  float whole = 0, below = 0;
  for (const Segment& s : by_pitch) whole += weight(s);
  for (const Segment& s : by_pitch) {
    below += weight(s);
    if (below < whole / 2) continue;
    std::erase_if(notes, [&](const Segment& note) { return note.pitch < s.pitch - kFarBelow; });
    return;
  }
}

}  // namespace

float estimate_tuning(std::span<const F0Frame> frames) {
  std::complex<float> sum = 0;
  for (size_t k = 1; k < frames.size(); ++k) {
    if (frames[k].hz <= 0 || frames[k - 1].hz <= 0) continue;
    const float pitch = midi_of(frames[k].hz);
    if (std::abs(pitch - midi_of(frames[k - 1].hz)) > 0.15f) continue;  // on the move
    sum += std::polar(frames[k].voicing, 2 * std::numbers::pi_v<float> * pitch);
  }
  return sum == std::complex<float>(0) ? 0.0f : std::arg(sum) / (2 * std::numbers::pi_v<float>);
}

float loud_db(std::span<const F0Frame> frames) {
  if (frames.empty()) return kNobody;
  Pooled<float> levels;
  for (const F0Frame& frame : frames) levels.push_back(frame.rms_db);
  const auto loud = levels.begin() + static_cast<std::ptrdiff_t>(nearest_rank(levels.size(), kLoud));
  std::ranges::nth_element(levels, loud);
  return std::max(*loud, kNobody);
}

Pooled<MelodyNote> segment_melody(std::span<const F0Frame> frames, int64_t first_position, float singer_db) {
  const Pooled<int> path = note_path(frames);
  Pooled<Segment> notes;
  for (size_t begin = 0, end = 0; begin < path.size(); begin = end) {
    while (end < path.size() && path[end] == path[begin]) ++end;
    if (path[begin] < 0) continue;
    size_t from = begin;
    for (const size_t split : restrikes(frames, begin, end)) {
      notes.push_back(measured(frames, from, split));
      from = split;
    }
    notes.push_back(measured(frames, from, end));
  }
  const float softest = std::max(singer_db, loud_db(frames)) - kSofterDb;
  std::erase_if(notes, [&](const Segment& s) {
    return s.end - s.begin < kShortestNote || s.confidence <= 0 || s.level_db < softest;
  });
  repair_octaves(notes);
  drop_bass(notes);

  Pooled<MelodyNote> melody;
  for (const Segment& s : notes)
    melody.push_back({first_position + static_cast<int64_t>(s.begin) * kF0Hop,
                      first_position + static_cast<int64_t>(s.end) * kF0Hop, s.pitch, s.confidence});
  return melody;
}

}  // namespace fastsag::dsp
