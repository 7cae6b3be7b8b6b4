#pragma once
// The part of `fastsag eval` that needs no weights: how well accompaniments fit their voices, always beside the same
// controls. What each figure means: docs/evaluation.md; how it is computed: dsp/accompaniment_figures.h.
//
// Units: sounds are mono at dsp::kFigureRate where nothing else is said; NaN is a figure that cannot be had.
// Threads: one. Intervals: the middle 95 % of resamples of the clips (Efron 1979), the same draws for every figure.
// Errors: fastsag::Error for a clip without sound.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fastsag::daemon {

// Of these one table is made: what is to be judged, then the controls.
inline constexpr std::array kContenders = {"ours",           "true",    "true, rolled by 37 %",
                                           "another song's", "silence", "the voice itself"};
enum MusicFigure : size_t {
  kCons3X,
  kTriadX,
  kDoubled,
  kChroma,
  kBeatF,
  kFlat,
  kPeak,
  kHnr,
  kAttack,
  kSilent,
  kLufs,
  kSeam,
  kRealTimeFactor,
  kDriftCons3X,
  kDriftLufs
};
inline constexpr std::array kMusicFigures = {"cons3_x", "triad_x", "dbl", "ch_cor",        "beatF",
                                             "flat",    "peak",    "hnr", "attack",        "silent",
                                             "lufs",    "seam",    "rtf", "drift_cons3_x", "drift_lufs"};
static_assert(kMusicFigures.size() == kDriftLufs + 1);
using MusicFigures = std::array<double, kMusicFigures.size()>;

struct MusicClip {
  std::string name;
  std::vector<float> voice, truth, ours;   // brought to the voice's length, or the truth's where nobody sings
  std::vector<float> voice_24k;            // the same voice as the F0 tracker wants it
  std::vector<std::vector<float>> others;  // accompaniments of other songs; their figures are averaged
  std::vector<double> joins_s;             // where the windows of ours meet; empty: not known
  std::optional<double> real_time_factor;  // seconds of work per second of sound, as the maker of ours said
};

struct MeanFigure {
  double mean = 0;
  int64_t clips = 0;                                  // that have it; 0: none does
  std::optional<std::pair<double, double>> interval;  // 95 %
};

struct MusicReport {
  double seconds = 0;
  int resamples = 0;
  std::array<std::array<MeanFigure, kMusicFigures.size()>, kContenders.size()> rows;
  std::vector<std::pair<std::string, std::array<MusicFigures, kContenders.size()>>> clips;
};

class MusicTable {
 public:
  void add(const MusicClip& clip);
  MusicReport report(int resamples, uint64_t seed) const;

 private:
  MusicReport so_far_;
};

}  // namespace fastsag::daemon
