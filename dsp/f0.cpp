#include "dsp/f0.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numbers>
#include <numeric>

#include "dsp/fft.h"
#include "dsp/quantile.h"

namespace fastsag::dsp {
namespace {

constexpr int kLongest = static_cast<int>(kF0Rate / kF0Lowest);  // lags, samples
constexpr int kShortest = static_cast<int>(kF0Rate / kF0Highest);
constexpr int kSegment = 1024;
constexpr int kSum = kSegment - kLongest;  // samples summed at every lag
// Sample of the segment that a value speaks for: the middle of both summed spans at 250 Hz.
constexpr int kMiddle = (kSum + kF0Rate / 250) / 2;
constexpr int kMaxCandidates = 8;

// Costs of the path, in units of the normalised difference (0 = periodic, 1 = noise), per frame.
constexpr float kUnvoiced = 0.65f;  // of calling a frame unvoiced: a lone high frame is voiced below this difference
// Per octave downwards: twice the period fits as well as the period, and better where a room or a second voice sounds.
constexpr float kOctave = 0.1f;
constexpr float kJump = 0.5f;  // per octave between neighbours
constexpr float kVoicingChange = 0.14f;
constexpr float kSilenceDb = -62.0f;  // below it frames lean to unvoiced, quite so 15 dB further down
// So do frames this much softer than the loud ones, quite so kSoftRangeDb further down: a singer's soft notes are
// clean, the accompaniment that leaks through between them is a chord, which is no clean tone.
constexpr float kSoftDb = 16.0f, kSoftRangeDb = 30.0f;
constexpr double kLoud = 0.9;     // the quantile of levels that is called loud
constexpr double kRumbleHz = 70;  // below it there are steps and mains hum, and no singers

struct Candidate {
  float log2_hz = 0;  // meaningless in the unvoiced candidate, which comes first
  float difference = 1;
  float cost = 0;
};

struct FrameCandidates {
  std::array<Candidate, kMaxCandidates + 1> all;
  int count = 0;
};

// Normalised difference function (YIN eq. 8) of one segment, from the correlation of its first kSum samples with all.
class Difference {
 public:
  std::span<const float> of(std::span<const float> segment) {
    std::ranges::copy(segment, head_.begin());
    std::fill(head_.begin() + kSum, head_.end(), 0.0f);
    fft_.forward(segment, whole_spectrum_);
    fft_.forward(head_, head_spectrum_);
    for (size_t k = 0; k < whole_spectrum_.size(); ++k) whole_spectrum_[k] *= std::conj(head_spectrum_[k]);
    fft_.inverse(whole_spectrum_, correlation_);

    const auto square = [](double sum, float x) { return sum + static_cast<double>(x) * x; };
    const double head_energy = std::accumulate(segment.begin(), segment.begin() + kSum, 0.0, square);
    double energy = head_energy, sum = 0;
    difference_[0] = 1;
    for (size_t lag = 1; lag < difference_.size(); ++lag) {
      energy += static_cast<double>(segment[lag + kSum - 1]) * segment[lag + kSum - 1] -
                static_cast<double>(segment[lag - 1]) * segment[lag - 1];
      const double difference = std::max(0.0, head_energy + energy - 2.0 * static_cast<double>(correlation_[lag]));
      sum += difference;
      difference_[lag] = sum > 0 ? static_cast<float>(difference * static_cast<double>(lag) / sum) : 1.0f;
    }
    return difference_;
  }

 private:
  Fft fft_{kSegment};
  std::vector<float> head_ = std::vector<float>(kSegment), correlation_ = std::vector<float>(kSegment);
  std::vector<std::complex<float>> whole_spectrum_ = std::vector<std::complex<float>>(kSegment / 2 + 1);
  std::vector<std::complex<float>> head_spectrum_ = std::vector<std::complex<float>>(kSegment / 2 + 1);
  std::vector<float> difference_ = std::vector<float>(kLongest + 1);
};

// 12 dB an octave off below kRumbleHz.
std::vector<float> without_rumble(std::span<const float> voice) {
  constexpr double kAngle = 2 * std::numbers::pi * kRumbleHz / kF0Rate;
  const double cosine = std::cos(kAngle), width = std::sin(kAngle) / std::numbers::sqrt2, scale = 1 / (1 + width);
  const double b = scale * (1 + cosine) / 2, a1 = -2 * scale * cosine, a2 = scale * (1 - width);
  std::vector<float> out(voice.size());
  double z1 = 0, z2 = 0;
  for (size_t i = 0; i < voice.size(); ++i) {
    const double x = static_cast<double>(voice[i]), y = b * x + z1;
    z1 = -2 * b * x - a1 * y + z2;
    z2 = b * x - a2 * y;
    out[i] = static_cast<float>(y);
  }
  return out;
}

float rms_db(std::span<const float> samples) {
  double sum = 0;
  for (const float x : samples) sum += static_cast<double>(x) * x;
  return static_cast<float>(10.0 * std::log10(sum / static_cast<double>(samples.size()) + 1e-12));
}

// Local minima of the difference, refined by a parabola; the cheapest few.
void add_minima(std::span<const float> d, FrameCandidates& frame) {
  std::vector<Candidate> minima;
  for (size_t lag = kShortest; lag + 1 < d.size(); ++lag) {
    if (d[lag] >= d[lag - 1] || d[lag] > d[lag + 1] || d[lag] > 0.8f) continue;
    const float curvature = d[lag - 1] + d[lag + 1] - 2 * d[lag];
    const float shift = curvature > 0 ? 0.5f * (d[lag - 1] - d[lag + 1]) / curvature : 0.0f;
    const float value = std::max(0.0f, d[lag] - 0.25f * (d[lag - 1] - d[lag + 1]) * shift);
    const float log2_hz = std::log2(static_cast<float>(kF0Rate) / (static_cast<float>(lag) + shift));
    minima.push_back({log2_hz, value, value + kOctave * (std::log2(kF0Highest) - log2_hz)});
  }
  const size_t kept = std::min<size_t>(minima.size(), kMaxCandidates);
  std::ranges::partial_sort(minima, minima.begin() + static_cast<std::ptrdiff_t>(kept), {}, &Candidate::cost);
  for (size_t i = 0; i < kept; ++i) frame.all[static_cast<size_t>(frame.count++)] = minima[i];
}

// The cheapest way through the candidates; returns the index chosen in every frame (0 = unvoiced).
std::vector<int> cheapest_path(std::span<const FrameCandidates> frames) {
  std::vector<std::array<int8_t, kMaxCandidates + 1>> from(frames.size());
  std::array<float, kMaxCandidates + 1> total{}, next{};
  for (size_t k = 0; k < frames.size(); ++k) {
    for (int c = 0; c < frames[k].count; ++c) {
      const Candidate& here = frames[k].all[static_cast<size_t>(c)];
      float best = k == 0 ? 0.0f : std::numeric_limits<float>::max();
      for (int p = 0; k > 0 && p < frames[k - 1].count; ++p) {
        float step = 0;
        if ((p == 0) != (c == 0))
          step = kVoicingChange;
        else if (c != 0)
          step = kJump * std::abs(here.log2_hz - frames[k - 1].all[static_cast<size_t>(p)].log2_hz);
        const float cost = total[static_cast<size_t>(p)] + step;
        if (cost < best) best = cost, from[k][static_cast<size_t>(c)] = static_cast<int8_t>(p);
      }
      next[static_cast<size_t>(c)] = best + here.cost;
    }
    total = next;
  }
  std::vector<int> path(frames.size());
  if (frames.empty()) return path;
  path.back() = static_cast<int>(std::min_element(total.begin(), total.begin() + frames.back().count) - total.begin());
  for (size_t k = frames.size() - 1; k > 0; --k) path[k - 1] = from[k][static_cast<size_t>(path[k])];
  return path;
}

}  // namespace

std::vector<F0Frame> track_f0(std::span<const float> voice) {
  const size_t count = voice.size() / kF0Hop;
  std::vector<F0Frame> frames(count);
  const std::vector<float> heard = without_rumble(voice);
  std::vector<float> segment(kSegment);
  const auto cut_segment = [&](size_t k) {
    const std::ptrdiff_t begin = static_cast<std::ptrdiff_t>(k * kF0Hop + kF0Hop / 2) - kMiddle;
    for (std::ptrdiff_t i = 0; i < kSegment; ++i)
      segment[static_cast<size_t>(i)] =
          begin + i >= 0 && begin + i < std::ssize(heard) ? heard[static_cast<size_t>(begin + i)] : 0.0f;
  };
  std::vector<float> levels(count);
  for (size_t k = 0; k < count; ++k) {
    frames[k].rms_db = rms_db(voice.subspan(k * kF0Hop, kF0Hop));
    cut_segment(k);
    levels[k] = std::max(rms_db(segment), rms_db(std::span(heard).subspan(k * kF0Hop, kF0Hop)));
  }
  std::vector<float> sorted = levels;
  std::ranges::sort(sorted);
  const float soft = count > 0 ? sorted[nearest_rank(count, kLoud)] - kSoftDb : 0.0f;

  std::vector<FrameCandidates> candidates(count);
  Difference difference;
  for (size_t k = 0; k < count; ++k) {
    const float silence =
        std::clamp(std::max((kSilenceDb - levels[k]) / 15.0f, (soft - levels[k]) / kSoftRangeDb), 0.0f, 1.0f);
    candidates[k].all[0].cost = kUnvoiced * (1 - silence);
    candidates[k].count = 1;
    if (silence >= 1) continue;
    cut_segment(k);
    add_minima(difference.of(segment), candidates[k]);
  }
  const std::vector<int> path = cheapest_path(candidates);
  for (size_t k = 0; k < count; ++k) {
    if (path[k] == 0) continue;
    const Candidate& chosen = candidates[k].all[static_cast<size_t>(path[k])];
    frames[k].hz = std::exp2(chosen.log2_hz);
    frames[k].voicing = std::clamp(1.0f - chosen.difference, 0.0f, 1.0f);
  }
  return frames;
}

}  // namespace fastsag::dsp
