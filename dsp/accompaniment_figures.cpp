#include "dsp/accompaniment_figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "dsp/beat_track.h"
#include "dsp/constant_q.h"
#include "dsp/f0.h"
#include "dsp/spectrogram.h"

namespace fastsag::dsp {
namespace {

constexpr double kPitchStep = 0.02, kVoiceRangeDb = 35;                // s, dB
constexpr double kNear = 0.25, kDoubledNear = 0.1, kHalfSecond = 0.5;  // s to each side; the grid of triads
constexpr double kBeatWindow = 0.07;                                   // s
constexpr double kFaintLufs = -60, kVoiceInMix = 0.7;
constexpr std::array<bool, 12> kConsonant = {true,  false, false, true, true,  false,
                                             false, true,  true,  true, false, false};  // upwards: 1, m3, M3, 5, m6, M6

// Means over stretches of the rows of a matrix, from running sums.
class Stretches {
 public:
  Stretches(std::span<const float> matrix, size_t frames)
      : frames_(frames), rows_(matrix.size() / frames), sums_(rows_ * (frames + 1)) {
    for (size_t row = 0; row < rows_; ++row) {
      for (size_t k = 0; k < frames; ++k) {
        sums_[row * (frames + 1) + k + 1] =
            sums_[row * (frames + 1) + k] + static_cast<double>(matrix[row * frames + k]);
      }
    }
  }
  // [row]: mean over [seconds - half, seconds + half].
  std::vector<double> around(double seconds, double half) const {
    const auto count = static_cast<double>(frames_);
    const double from = std::clamp(std::nearbyint((seconds - half) * kFigureFps), 0.0, count - 1);
    const double to = std::clamp(std::nearbyint((seconds + half) * kFigureFps), from + 1, count);
    std::vector<double> means(rows_);
    for (size_t row = 0; row < rows_; ++row) {
      const double* sums = &sums_[row * (frames_ + 1)];
      means[row] = (sums[static_cast<size_t>(to)] - sums[static_cast<size_t>(from)]) / (to - from);
    }
    return means;
  }

 private:
  size_t frames_, rows_;
  std::vector<double> sums_;
};

Stretches audible(const AccompanimentFeatures& features) {
  std::vector<float> on;
  for (const float db : features.level_db) on.push_back(db >= kAudibleDb ? 1.0f : 0.0f);
  return {on, features.frames};
}

size_t above(size_t low, size_t high) { return (high + 12 - low) % 12; }

// Major and minor triads on all roots: the one with most of the chroma.
std::array<bool, 12> best_triad(std::span<const double> chroma) {
  double most = -1;
  std::array<bool, 12> best{};
  for (const size_t third : {4, 3}) {
    for (size_t root = 0; root < 12; ++root) {
      const std::array<size_t, 3> members = {root, (root + third) % 12, (root + 7) % 12};
      const double sum = chroma[members[0]] + chroma[members[1]] + chroma[members[2]];
      if (sum <= most) continue;
      most = sum;
      best = {};
      for (const size_t member : members) best[member] = true;
    }
  }
  return best;
}

// Of the 12 transpositions of what is sung: the share of frames that fit.
using Fits = std::array<double, 12>;
double excess(const Fits& fits) { return fits[0] - std::accumulate(fits.begin(), fits.end(), 0.0) / 12; }

double cosine(std::span<const double> a, std::span<const double> b) {
  double ab = 0, aa = 0, bb = 0;
  const double mean_a = std::accumulate(a.begin(), a.end(), 0.0) / 12;
  const double mean_b = std::accumulate(b.begin(), b.end(), 0.0) / 12;
  for (size_t i = 0; i < 12; ++i) {
    ab += (a[i] - mean_a) * (b[i] - mean_b);
    aa += (a[i] - mean_a) * (a[i] - mean_a);
    bb += (b[i] - mean_b) * (b[i] - mean_b);
  }
  return ab / (std::sqrt(aa) * std::sqrt(bb) + 1e-9);
}

}  // namespace

SungPitch sung_pitch(std::span<const float> voice) {
  constexpr size_t kEvery = static_cast<size_t>(kPitchStep * kF0Rate) / kF0Hop;
  constexpr size_t kStretch = static_cast<size_t>(2 * kPitchStep * kF0Rate);
  const auto frames = track_f0(voice);
  std::vector<double> level;
  for (size_t k = 0; k < frames.size(); k += kEvery) {
    const size_t middle = k * kF0Hop, begin = middle - std::min(middle, kStretch / 2);
    const size_t end = std::min(voice.size(), middle + kStretch / 2);
    double power = 0;
    for (size_t i = begin; i < end; ++i) power += static_cast<double>(voice[i]) * voice[i];
    level.push_back(10 * std::log10(power / kStretch + 1e-18));
  }
  SungPitch sung;
  if (level.empty()) return sung;
  const double least = *std::ranges::max_element(level) - kVoiceRangeDb;
  for (size_t i = 0; i < level.size(); ++i) {
    const F0Frame& frame = frames[i * kEvery];
    if (frame.hz <= 0 || level[i] <= least) continue;
    sung.seconds.push_back(static_cast<double>(i) * kPitchStep);
    sung.hz.push_back(static_cast<double>(frame.hz));
  }
  sung.voiced = static_cast<double>(sung.hz.size()) / static_cast<double>(level.size());
  return sung;
}

SungPitch between(const SungPitch& sung, double begin_s, double end_s) {
  SungPitch part;
  for (size_t i = 0; i < sung.hz.size(); ++i) {
    if (sung.seconds[i] < begin_s || sung.seconds[i] >= end_s) continue;
    part.seconds.push_back(sung.seconds[i]);
    part.hz.push_back(sung.hz[i]);
  }
  return part;
}

Harmony harmony(const AccompanimentFeatures& accompaniment, const SungPitch& sung) {
  if (sung.hz.empty()) return {};
  const Stretches chroma(accompaniment.chroma, accompaniment.frames);
  const Stretches bins(accompaniment.constant_q, accompaniment.frames);
  const Stretches heard = audible(accompaniment);
  Fits cons1{}, cons3{}, triad{};
  double doubled = 0;
  for (size_t i = 0; i < sung.hz.size(); ++i) {
    const double t = sung.seconds[i], key = 69 + 12 * std::log2(sung.hz[i] / 440) - accompaniment.tuning;
    if (heard.around(t, kNear)[0] <= 0) continue;  // nothing is there to fit: counts as none
    const auto low = bins.around(t, kDoubledNear);
    const auto strongest = std::ranges::max_element(low) - low.begin();
    const double strongest_key = kConstantQFirstKey + static_cast<double>(strongest) * 12 / kConstantQPerOctave;
    doubled += std::abs(strongest_key - key) <= 0.5;
    const auto around = chroma.around(t, kNear);
    if (std::accumulate(around.begin(), around.end(), 0.0) <= 0) continue;
    std::array<size_t, 12> order{};
    std::iota(order.begin(), order.end(), 0);
    std::ranges::partial_sort(order, order.begin() + 3, [&](size_t a, size_t b) { return around[a] > around[b]; });
    const auto chord = best_triad(chroma.around(std::floor(t / kHalfSecond) * kHalfSecond + kHalfSecond / 2, kNear));
    const auto pitch_class = (static_cast<int64_t>(std::nearbyint(key)) % 12 + 12) % 12;
    for (size_t transposed = 0; transposed < 12; ++transposed) {
      const size_t v = (static_cast<size_t>(pitch_class) + transposed) % 12;
      cons1[transposed] += kConsonant[above(order[0], v)];
      cons3[transposed] += std::all_of(order.begin(), order.begin() + 3, [v](size_t other) {
        return kConsonant[above(other, v)] || kConsonant[above(v, other)];
      });
      triad[transposed] += chord[v];
    }
  }
  const auto count = static_cast<double>(sung.hz.size());
  for (Fits* fits : {&cons1, &cons3, &triad}) {
    for (double& share : *fits) share /= count;
  }
  return {cons1[0], excess(cons1), cons3[0], excess(cons3), triad[0], excess(triad), doubled / count};
}

double chroma_correlation(const AccompanimentFeatures& accompaniment, const AccompanimentFeatures& truth) {
  const auto frames = static_cast<double>(std::min(accompaniment.frames, truth.frames));
  const auto count = static_cast<size_t>(frames / kFigureFps / kHalfSecond);
  if (count == 0) return kNoFigure;
  const Stretches a(accompaniment.chroma, accompaniment.frames), b(truth.chroma, truth.frames);
  const Stretches a_heard = audible(accompaniment), b_heard = audible(truth);
  double sum = 0;
  for (size_t i = 0; i < count; ++i) {
    const double t = (static_cast<double>(i) + 0.5) * kHalfSecond;
    if (a_heard.around(t, kNear)[0] <= 0 || b_heard.around(t, kNear)[0] <= 0) continue;
    sum += cosine(a.around(t, kNear), b.around(t, kNear));
  }
  return sum / static_cast<double>(count);
}

std::vector<double> beats_of(std::span<const float> wave) {
  if (gated_lufs(wave) < kFaintLufs) return {};
  const auto levelled = at_loudness({wave.begin(), wave.end()}, kBeatLufs);
  return track_beats(onset_strength(spectrogram(levelled)));
}

std::vector<double> reference_beats(std::span<const float> voice, std::span<const float> truth) {
  std::vector<float> mix = at_loudness({truth.begin(), truth.end()}, kBeatLufs);
  const auto sung = at_loudness({voice.begin(), voice.end()}, kBeatLufs);
  for (size_t i = 0; i < std::min(mix.size(), sung.size()); ++i) mix[i] += static_cast<float>(kVoiceInMix) * sung[i];
  return beats_of(mix);
}

double beat_f(std::span<const double> beats, std::span<const double> reference) {
  if (reference.size() < 2) return kNoFigure;
  size_t hits = 0;
  for (size_t i = 0, j = 0; i < beats.size() && j < reference.size();) {
    const double off = beats[i] - reference[j];
    hits += std::abs(off) <= kBeatWindow;
    i += off <= kBeatWindow;   // not too late for this reference beat: used up
    j += off >= -kBeatWindow;  // the reference beat is hit, or passed
  }
  return 2 * static_cast<double>(hits) / static_cast<double>(beats.size() + reference.size());
}

}  // namespace fastsag::dsp
