#include "model/lite/chord_path.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "model/lite/steps.h"

namespace fastsag::model {
namespace {

using Row = std::array<float, kTriads>;

// The three triads that share two notes with one: of the same, the relative and the mediant's root.
std::array<size_t, 3> relatives(size_t triad) {
  const size_t root = triad / 2, minor = triad % 2;
  const auto at = [&](size_t up) { return (root + up) % 12 * 2 + (1 - minor); };
  return {at(0), at(minor ? 3 : 9), at(minor ? 8 : 4)};
}

}  // namespace

ChordPath chord_path(std::span<const float> probabilities, std::span<const int> held, const ChordPathOptions& options) {
  const size_t beats = held.size();
  dsp::Pooled<Row> score(beats);
  dsp::Pooled<std::array<int, kTriads>> from(beats);
  for (size_t beat = 0; beat < beats; ++beat) {
    const auto p = probabilities.subspan(beat * kTriads, kTriads);
    Row evidence;
    for (size_t k = 0; k < kTriads; ++k) {
      float worth = p[k];
      for (const size_t other : relatives(k)) worth += options.relative * p[other];
      evidence[k] = std::log(std::max(worth, 1e-9f));
    }
    const uint32_t allowed = held[beat] >= 0 ? 1u << held[beat] : options.allowed;
    for (size_t k = 0; k < kTriads; ++k)
      if (!(allowed >> k & 1))
        evidence[k] = -std::numeric_limits<float>::infinity();
      else if (held[beat] >= 0)
        evidence[k] = 0;
      else if (!options.daring.empty())
        evidence[k] += options.daring[beat * kTriads + k];
    size_t best = 0;
    if (beat > 0) best = static_cast<size_t>(std::ranges::max_element(score[beat - 1]) - score[beat - 1].begin());
    for (size_t k = 0; k < kTriads; ++k) {
      score[beat][k] = options.evidence * evidence[k];
      if (beat == 0) continue;
      const float stay = score[beat - 1][k], move = score[beat - 1][best] - options.change;
      from[beat][k] = static_cast<int>(stay >= move ? k : best);
      score[beat][k] += std::max(stay, move);
    }
  }
  ChordPath path;
  path.triads.resize(beats);
  path.confidence.resize(beats);
  for (size_t beat = beats; beat-- > 0;) {
    const bool last = beat + 1 == beats;
    path.triads[beat] = last ? static_cast<int>(std::ranges::max_element(score[beat]) - score[beat].begin())
                             : from[beat + 1][static_cast<size_t>(path.triads[beat + 1])];
    path.confidence[beat] = probabilities[beat * kTriads + static_cast<size_t>(path.triads[beat])];
  }
  return path;
}

}  // namespace fastsag::model
