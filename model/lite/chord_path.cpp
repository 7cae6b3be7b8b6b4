#include "model/lite/chord_path.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "model/lite/steps.h"

namespace fastsag::model {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// Counted in the 850 training songs of POP909 (tools/check_chords): after 1, 2, .. beats. Longer ones go on in fours.
constexpr std::array kEnds = {.098f, .549f, .133f, .766f, .165f, .320f, .108f, .678f,
                              .189f, .207f, .090f, .520f, .099f, .144f, .088f, .514f};
constexpr size_t kLongest = kEnds.size();

using Row = std::array<float, kTriads>;

// The three triads that share two notes with one: of the same, the relative and the mediant's root.
std::array<size_t, 3> relatives(size_t triad) {
  const size_t root = triad / 2, minor = triad % 2;
  const auto at = [&](size_t up) { return (root + up) % 12 * 2 + (1 - minor); };
  return {at(0), at(minor ? 3 : 9), at(minor ? 8 : 4)};
}

// What each triad is worth in a beat, kNever where it may not stand.
Row evidence_of(std::span<const float> p, int held, std::span<const float> daring, const ChordPathOptions& options) {
  Row evidence;
  const uint32_t allowed = held >= 0 ? 1u << held : options.allowed;
  for (size_t k = 0; k < kTriads; ++k) {
    float worth = p[k];
    for (const size_t other : relatives(k)) worth += options.relative * p[other];
    evidence[k] = held >= 0 ? 0 : options.evidence * std::log(std::max(worth, 1e-9f));
    if (held < 0 && !daring.empty()) evidence[k] += options.evidence * daring[k];
    if (!(allowed >> k & 1)) evidence[k] = kNever;
  }
  return evidence;
}

// One beat of the search: the best way to each (triad, beats that it has lasted so far), and where it came from.
struct Beat {
  struct State {
    float score = kNever;
    int16_t triad = -1, lasted = -1;  // of the beat before
  };
  std::array<std::array<State, kLongest>, kTriads> states;

  void reach(size_t triad, size_t lasted, float score, size_t from_triad, size_t from_lasted) {
    State& state = states[triad][lasted];
    if (score > state.score) state = {score, static_cast<int16_t>(from_triad), static_cast<int16_t>(from_lasted)};
  }
};

void step(const Beat& before, Beat& now, const Row& evidence, const ChordPathOptions& options) {
  // Every other chord may follow, so the best two ends (of two chords) are enough.
  struct End {
    float score = kNever;
    size_t triad = 0, lasted = 0;
  };
  std::array<End, 2> ends;
  for (size_t k = 0; k < kTriads; ++k) {
    End end{kNever, k, 0};
    for (size_t d = 0; d < kLongest; ++d) {
      const float score = before.states[k][d].score;
      if (score == kNever) continue;
      now.reach(k, d + 1 < kLongest ? d + 1 : kLongest - 4,
                score + options.lasting * std::log1p(-kEnds[d]) + evidence[k], k, d);
      const float ended = score + options.lasting * std::log(kEnds[d]) - options.change;
      if (ended > end.score) end.score = ended, end.lasted = d;
    }
    if (end.score > ends[0].score)
      ends[1] = std::exchange(ends[0], end);
    else if (end.score > ends[1].score)
      ends[1] = end;
  }
  for (size_t k = 0; k < kTriads; ++k) {
    const End& end = ends[0].triad == k ? ends[1] : ends[0];
    if (end.score > kNever) now.reach(k, 0, end.score + evidence[k], end.triad, end.lasted);
  }
}

}  // namespace

float chord_ends_after(int beats) { return kEnds.at(static_cast<size_t>(beats) - 1); }

ChordPath chord_path(std::span<const float> probabilities, std::span<const int> held, const ChordPathOptions& options) {
  const size_t beats = held.size();
  std::vector<Beat> search(beats);
  for (size_t beat = 0; beat < beats; ++beat) {
    const auto of_beat = [&](std::span<const float> rows) {
      return rows.empty() ? rows : rows.subspan(beat * kTriads, kTriads);
    };
    const Row evidence = evidence_of(of_beat(probabilities), held[beat], of_beat(options.daring), options);
    if (beat > 0)
      step(search[beat - 1], search[beat], evidence, options);
    else  // how long the first chord has sounded is not known
      for (size_t k = 0; k < kTriads; ++k)
        for (auto& state : search[0].states[k]) state.score = evidence[k];
  }
  ChordPath path;
  path.triads.resize(beats);
  path.confidence.resize(beats);
  int16_t triad = 0, lasted = 0;
  if (beats > 0) {
    float best = kNever;
    for (size_t k = 0; k < kTriads; ++k)
      for (size_t d = 0; d < kLongest; ++d)
        if (search.back().states[k][d].score > best)
          best = search.back().states[k][d].score, triad = static_cast<int16_t>(k), lasted = static_cast<int16_t>(d);
  }
  for (size_t beat = beats; beat-- > 0;) {
    path.triads[beat] = triad;
    path.confidence[beat] = probabilities[beat * kTriads + static_cast<size_t>(triad)];
    const Beat::State& state = search[beat].states[static_cast<size_t>(triad)][static_cast<size_t>(lasted)];
    triad = state.triad, lasted = state.lasted;
  }
  return path;
}

}  // namespace fastsag::model
