#include "model/lite/chord_path.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "model/lite/steps.h"

namespace fastsag::model {

ChordPath chord_path(std::span<const float> log_probabilities, int steps_per_beat, std::span<const int> held,
                     const ChordPathOptions& options) {
  using Row = std::array<float, kTriads>;
  const size_t beats = held.size();
  const auto steps = static_cast<size_t>(steps_per_beat);
  std::vector<Row> score(beats), mean(beats);
  std::vector<std::array<int, kTriads>> from(beats);
  for (size_t beat = 0; beat < beats; ++beat) {
    Row evidence{};
    mean[beat] = {};
    for (size_t step = beat * steps; step < (beat + 1) * steps; ++step)
      for (size_t k = 0; k < kTriads; ++k) {
        const float log_p = log_probabilities[step * kTriads + k];
        evidence[k] += log_p / static_cast<float>(steps);
        mean[beat][k] += std::exp(log_p) / static_cast<float>(steps);
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
    path.confidence[beat] = mean[beat][static_cast<size_t>(path.triads[beat])];
  }
  return path;
}

}  // namespace fastsag::model
