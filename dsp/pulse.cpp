#include "dsp/pulse.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "dsp/pool.h"
#include "dsp/variants.h"

namespace fastsag::dsp {
namespace {

// How many 16ths lie between two onsets of a sung line (1..16, then "more"), by the first one's place in the beat, per
// mille: counted in the melodies of 824 pop songs (POP909 train, 4/4), smoothed. This tells a beat from an off-beat.
constexpr int kPlaces = 4, kIntervals = 17;
constexpr int kNextOnset[kPlaces][kIntervals] = {{102, 508, 47, 166, 6, 45, 7, 38, 3, 9, 4, 17, 3, 7, 4, 16, 16},
                                                 {455, 285, 125, 18, 27, 15, 15, 6, 8, 5, 9, 4, 6, 4, 6, 3, 9},
                                                 {248, 546, 8, 82, 6, 27, 3, 14, 4, 14, 3, 8, 3, 10, 3, 6, 14},
                                                 {585, 115, 123, 30, 36, 9, 22, 12, 18, 4, 9, 4, 8, 4, 6, 4, 11}};
constexpr float kSamePlace = .002f;  // two onsets on one 16th: a flaw of the segmentation
constexpr float kFirstOnset[kPlaces] = {.435f, .069f, .353f, .143f};

constexpr double kRate = 24000;
constexpr double kSlowest = 54, kFastest = 142;  // bpm
constexpr double kTempoStep = 1.0035;
constexpr int kPhases = 64;            // a beat
constexpr double kJitter = 0.022;      // s, deviation of a sung onset from its 16th
constexpr float kStray = 0.07f;        // share of onsets that follow no grid ...
constexpr float kStrayDensity = 0.4f;  // ... and their density, 1/s
constexpr double kMargin = 8.0;        // nats by which a new grid must beat a sure previous one
constexpr double kDoubt = 4.0;         // ... and more by as much where it is not sure itself: the best of 18000 grids
                                       // always explains ten seconds of free singing a little better than the last
constexpr double kAgreed = 0.5;        // nats: a smaller gain is no other opinion
constexpr double kTemper = 0.5;        // onsets are not as independent as the score takes them to be
constexpr size_t kFewest = 4;          // onsets
constexpr double kStrikeRiseDb = 12, kStrikeFloorDb = -45;

struct Grid {
  double period, origin;  // seconds a beat; seconds from the window's start
};

// Log-density of tempi in the same songs: most around 68 bpm, some around 110.
double tempo_prior(double period) {
  const double octaves = std::log2(60.0 / period);
  const auto bump = [octaves](double bpm, double width) {
    const double x = (octaves - std::log2(bpm)) / width;
    return std::exp(-0.5 * x * x);
  };
  return std::log(0.69 * bump(68, 0.24) + 0.31 * bump(110, 0.25) + 0.02);
}

// exp(-x^2/2), normalised to a density of deviations in 1/s, from a table: it is asked for half a million times.
class Deviation {
 public:
  Deviation() {
    for (size_t i = 0; i < table_.size(); ++i) {
      const double x = static_cast<double>(i) / kPerSecond / kJitter;
      table_[i] = static_cast<float>(std::exp(-0.5 * x * x) / (kJitter * std::sqrt(2 * std::numbers::pi)));
    }
  }
  float density(double seconds) const {
    const auto i = static_cast<size_t>(std::abs(seconds) * kPerSecond + 0.5);
    return i < table_.size() ? table_[i] : 0.0f;
  }

 private:
  static constexpr double kPerSecond = 2000;
  std::array<float, 200> table_;
};
const Deviation kDeviation;

// Share of what follows the grid, by the place of one onset in the beat and the 16ths to the next (0..17).
struct NextOnset {
  std::array<float, kPlaces*(kIntervals + 1)> table;
  constexpr NextOnset() : table() {
    for (int place = 0; place < kPlaces; ++place) {
      table[static_cast<size_t>(place * (kIntervals + 1))] = (1 - kStray) * kSamePlace;
      for (int i = 0; i < kIntervals; ++i)
        table[static_cast<size_t>(place * (kIntervals + 1) + i + 1)] =
            (1 - kStray) * 0.001f * static_cast<float>(kNextOnset[place][i]);
    }
  }
};
constexpr NextOnset kNext;

using Phases = std::array<float, kPhases>;

// One onset more: multiplies each grid's probability. `offset`: of the onset from the grid's origin, in 16ths;
// `before`: the 16th of the onset before.
FASTSAG_VARIANTS void take_onset(const Phases& offset, float sixteenth, const Deviation& deviation,
                                 std::array<int32_t, kPhases>& before, Phases& product) {
  for (size_t p = 0; p < kPhases; ++p) {
    const float line = std::floor(offset[p] + 0.5f);
    const auto here = static_cast<int32_t>(line);
    const int32_t apart = std::min(here - before[p], kIntervals);
    const float step = kNext.table[static_cast<size_t>((before[p] & 3) * (kIntervals + 1) + apart)];
    product[p] *= step * deviation.density((offset[p] - line) * sixteenth) + kStray * kStrayDensity;
    before[p] = here;
  }
}

// Log-probability of the onsets (s, ascending) under grids of one period, whose origins lie a share of a beat apart
// before `centre`.
std::array<double, kPhases> scores_of(std::span<const double> onsets, double period, double centre) {
  const double sixteenth = period / 4;
  std::array<double, kPhases> logs{};
  std::array<int32_t, kPhases> before{};
  Phases offset, product;
  product.fill(1);
  for (size_t i = 0; i < onsets.size(); ++i) {
    const double first = (onsets[i] - centre) / sixteenth;
    for (size_t p = 0; p < kPhases; ++p) offset[p] = static_cast<float>(first + 4. * static_cast<double>(p) / kPhases);
    if (i == 0) {
      for (size_t p = 0; p < kPhases; ++p) {
        const float line = std::floor(offset[p] + 0.5f);
        before[p] = static_cast<int32_t>(line);
        product[p] = (1 - kStray) * kFirstOnset[before[p] & 3] *
                         kDeviation.density((offset[p] - line) * static_cast<float>(sixteenth)) +
                     kStray * kStrayDensity;
      }
    } else {
      take_onset(offset, static_cast<float>(sixteenth), kDeviation, before, product);
    }
    if (i % 8 != 7 && i + 1 != onsets.size()) continue;  // .03 to 20 each: eight stay far inside a float
    for (size_t p = 0; p < kPhases; ++p) logs[p] += std::log(product[p]);
    product.fill(1);
  }
  return logs;
}

// Least squares through the onsets that lie near a 16th, held to the grid as it is by `stiffness`: that many squared
// 16ths speak for the period, a hundredth of it in onsets for the phase.
Grid fitted(std::span<const double> onsets, Grid grid, double stiffness) {
  for (int round = 0; round < 3; ++round) {
    const double sixteenth = grid.period / 4;
    double weight = stiffness / 100, line_sum = 0, off_sum = 0, cross = 0, square = 0;
    for (int pass = 0; pass < 2; ++pass) {
      const double mean_line = line_sum / weight, mean_off = off_sum / weight;
      for (const double onset : onsets) {
        const double line = std::floor((onset - grid.origin) / sixteenth + 0.5);
        const double off = onset - grid.origin - line * sixteenth;
        const double w = std::exp(-0.5 * off * off / (0.03 * 0.03));
        if (pass == 0)
          weight += w, line_sum += w * line, off_sum += w * off;
        else
          cross += w * (line - mean_line) * (off - mean_off), square += w * (line - mean_line) * (line - mean_line);
      }
    }
    const double slope = cross / (square + stiffness);
    grid.origin += off_sum / weight - slope * line_sum / weight;
    grid.period += 4 * slope;
  }
  return grid;
}

struct Search {
  Grid best{0.6, 0};
  double sureness = 0;  // 0..1, share of the probability that agrees with the best
};

Search search(std::span<const double> onsets) {
  const double centre = 0.5 * (onsets.front() + onsets.back());
  const auto tempi = static_cast<size_t>(std::log(kFastest / kSlowest) / std::log(kTempoStep)) + 1;
  Pooled<double> scores(tempi * kPhases);
  const auto grid_at = [&](size_t i) {
    const double period = 60.0 / (kSlowest * std::pow(kTempoStep, static_cast<double>(i / kPhases)));
    return Grid{period, centre - period * static_cast<double>(i % kPhases) / kPhases};
  };
  for (size_t tempo = 0; tempo < tempi; ++tempo) {
    const double period = grid_at(tempo * kPhases).period, prior = tempo_prior(period);
    std::ranges::transform(scores_of(onsets, period, centre),
                           scores.begin() + static_cast<std::ptrdiff_t>(tempo * kPhases),
                           [prior](double log) { return log + prior; });
  }
  const auto best = static_cast<size_t>(std::ranges::max_element(scores) - scores.begin());
  double all = 0, near = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    const double p = std::exp(kTemper * (scores[i] - scores[best]));
    const auto tempo_off = std::abs(static_cast<int>(i / kPhases) - static_cast<int>(best / kPhases));
    const auto phase_off = std::abs(static_cast<int>(i % kPhases) - static_cast<int>(best % kPhases));
    all += p;
    if (tempo_off <= 6 && std::min(phase_off, kPhases - phase_off) <= kPhases / 16) near += p;
  }
  return {grid_at(best), near / all};
}

// Where the level leaps: what there is to go by when nothing is sung but spoken, clapped or tapped.
Pooled<double> strikes(std::span<const float> voice) {
  constexpr size_t kFrame = 240, kApart = 8;
  Pooled<double> found, level;
  for (size_t begin = 0; begin + kFrame <= voice.size(); begin += kFrame) {
    double sum = 1e-12;
    for (const float x : voice.subspan(begin, kFrame)) sum += static_cast<double>(x) * x;
    level.push_back(10 * std::log10(sum / kFrame));
  }
  for (size_t k = 2, last = 0; k < level.size(); ++k) {
    if (level[k] < kStrikeFloorDb || level[k] - level[k - 2] < kStrikeRiseDb) continue;
    if (found.empty() || k - last >= kApart) found.push_back(static_cast<double>((k - 1) * kFrame) / kRate);
    last = k;
  }
  return found;
}

}  // namespace

PulseEstimate estimate_pulse(std::span<const float> voice, std::span<const MelodyNote> notes, int64_t first_position,
                             const std::optional<PulseEstimate>& previous) {
  Pooled<double> onsets;
  for (const MelodyNote& note : notes) onsets.push_back(static_cast<double>(note.onset - first_position) / kRate);
  if (onsets.size() < kFewest) onsets = strikes(voice);
  if (onsets.size() < kFewest) {
    if (previous) return *previous;
    return {14400, static_cast<double>(notes.empty() ? first_position : notes.front().onset), 0};
  }
  const auto absolute = [&](const Grid& grid, double confidence) {
    return PulseEstimate{grid.period * kRate, static_cast<double>(first_position) + grid.origin * kRate,
                         static_cast<float>(confidence)};
  };
  const Search found = search(onsets);
  const Grid best = fitted(onsets, found.best, 20);
  if (!previous) return absolute(best, found.sureness);

  // The previous grid as this window sees it, counted from its line nearest to the middle.
  Grid kept{previous->period / kRate, (previous->origin - static_cast<double>(first_position)) / kRate};
  kept.origin += std::round((0.5 * (onsets.front() + onsets.back()) - kept.origin) / kept.period) * kept.period;
  kept = fitted(onsets, kept, 1000);
  // Which of its 16ths is the beat is no reason to leave a grid: that is for those to say who know more than onsets.
  const auto shifted = scores_of(onsets, kept.period, kept.origin);
  double as_kept = -1e9;
  for (int k = 0; k < kPlaces; ++k) as_kept = std::max(as_kept, shifted[static_cast<size_t>(k * kPhases / kPlaces)]);
  const double as_best = scores_of(onsets, best.period, best.origin).front();
  const double gain = as_best + tempo_prior(best.period) - as_kept - tempo_prior(kept.period);
  const double held = static_cast<double>(previous->confidence);
  if (gain > kMargin * held + kDoubt * (1 - found.sureness)) return absolute(best, found.sureness);
  // Confidence is the memory: windows that agree add to it, those that would rather have another grid wear it down.
  return absolute(kept, gain < kAgreed ? held + 0.1 * (1 - held) : std::max(0.02, held - 0.01 * gain));
}

}  // namespace fastsag::dsp
