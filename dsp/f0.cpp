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
constexpr int kMaxCandidates = F0Memory::kMaxCandidates;
// After so many samples nothing is left, in a float, of what the rumble filter began from: its pole lies at .987.
constexpr int64_t kSettled = 6000;

// Costs of the path, in units of the normalised difference (0 = periodic, 1 = noise), per frame.
constexpr float kUnvoiced = 0.65f;  // of calling a frame unvoiced: a lone high frame is voiced below this difference
// Per octave downwards: twice the period fits as well as the period, and better where a room or a second voice sounds.
constexpr float kOctave = 0.1f;
constexpr float kJump = 0.5f;  // per octave between neighbours
constexpr float kVoicingChange = 0.14f;
constexpr float kSilenceDb = -62.0f, kSilenceRangeDb = 15.0f;  // below it frames lean to unvoiced, quite so 15 dB down
// So do frames this much softer than the loud ones, quite so kSoftRangeDb further down: a singer's soft notes are
// clean, the accompaniment that leaks through between them is a chord, which is no clean tone.
constexpr float kSoftDb = 16.0f, kSoftRangeDb = 30.0f;
constexpr double kRumbleHz = 70;  // below it there are steps and mains hum, and no singers

using Candidate = F0Memory::Candidate;

// The unvoiced candidate comes first; its pitch means nothing.
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

// Its plans and buffers are made once a thread.
Difference& kept_difference() {
  thread_local Difference difference;
  return difference;
}

// 12 dB an octave off below kRumbleHz.
void remove_rumble(std::span<const float> voice, std::span<float> out) {
  constexpr double kAngle = 2 * std::numbers::pi * kRumbleHz / kF0Rate;
  const double cosine = std::cos(kAngle), width = std::sin(kAngle) / std::numbers::sqrt2, scale = 1 / (1 + width);
  const double b = scale * (1 + cosine) / 2, a1 = -2 * scale * cosine, a2 = scale * (1 - width);
  double z1 = 0, z2 = 0;
  for (size_t i = 0; i < voice.size(); ++i) {
    const double x = static_cast<double>(voice[i]), y = b * x + z1;
    z1 = -2 * b * x - a1 * y + z2;
    z2 = b * x - a2 * y;
    out[i] = static_cast<float>(y);
  }
}

float rms_db(std::span<const float> samples) {
  double sum = 0;
  for (const float x : samples) sum += static_cast<double>(x) * x;
  return static_cast<float>(10.0 * std::log10(sum / static_cast<double>(samples.size()) + 1e-12));
}

// Local minima of the difference, refined by a parabola; the cheapest few.
void find_minima(std::span<const float> d, F0Memory::Frame& frame) {
  std::array<Candidate, kLongest / 2 + 1> found;
  size_t many = 0;
  for (size_t lag = kShortest; lag + 1 < d.size(); ++lag) {
    if (d[lag] >= d[lag - 1] || d[lag] > d[lag + 1] || d[lag] > 0.8f) continue;
    const float curvature = d[lag - 1] + d[lag + 1] - 2 * d[lag];
    const float shift = curvature > 0 ? 0.5f * (d[lag - 1] - d[lag + 1]) / curvature : 0.0f;
    const float value = std::max(0.0f, d[lag] - 0.25f * (d[lag - 1] - d[lag + 1]) * shift);
    const float log2_hz = std::log2(static_cast<float>(kF0Rate) / (static_cast<float>(lag) + shift));
    found[many++] = {log2_hz, value, value + kOctave * (std::log2(kF0Highest) - log2_hz)};
  }
  const std::span minima(found.data(), many);
  const size_t kept = std::min<size_t>(many, kMaxCandidates);
  std::ranges::partial_sort(minima, minima.begin() + static_cast<std::ptrdiff_t>(kept), {}, &Candidate::cost);
  std::ranges::copy(minima.first(kept), frame.candidates.begin());
  frame.count = static_cast<int>(kept);
}

// The cheapest way through the candidates; returns the index chosen in every frame (0 = unvoiced).
Pooled<int> cheapest_path(std::span<const FrameCandidates> frames) {
  Pooled<std::array<int8_t, kMaxCandidates + 1>> from(frames.size());
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
  Pooled<int> path(frames.size());
  if (frames.empty()) return path;
  path.back() = static_cast<int>(std::min_element(total.begin(), total.begin() + frames.back().count) - total.begin());
  for (size_t k = frames.size() - 1; k > 0; --k) path[k - 1] = from[k][static_cast<size_t>(path[k])];
  return path;
}

// The frames of one window, measured where they are not remembered.
class Measurement {
 public:
  Measurement(std::span<const float> voice, int64_t begin, F0Memory& memory)
      : voice_(voice), memory_(memory), heard_(voice.size()) {
    recall(begin);
    for (size_t first = 0; first < fresh_.size();) {
      if (!fresh_[first]) {
        ++first;
        continue;
      }
      size_t last = first;
      while (last + 1 < fresh_.size() && fresh_[last + 1]) ++last;
      hear(std::max<int64_t>(0, segment_begin(first) - kSettled),
           std::min(segment_begin(last) + int64_t{kSegment}, std::ssize(voice_)));
      for (size_t k = first; k <= last; ++k) measure(k);
      first = last + 1;
    }
  }

  std::span<const F0Memory::Frame> frames() const { return memory_.frames; }

 private:
  static int64_t segment_begin(size_t k) { return static_cast<int64_t>(k * kF0Hop + kF0Hop / 2) - kMiddle; }

  // Frames that both windows heard wholly, and long enough after they began.
  void recall(int64_t begin) {
    const int64_t end = begin + std::ssize(voice_), count = std::ssize(voice_) / kF0Hop;
    Pooled<F0Memory::Frame> frames(static_cast<size_t>(count));
    fresh_.assign(static_cast<size_t>(count), true);
    const int64_t shift = begin - memory_.begin, since = std::max(begin, memory_.begin) + kSettled;
    for (int64_t k = 0; k < count && shift % kF0Hop == 0; ++k) {
      const int64_t from = begin + segment_begin(static_cast<size_t>(k)), then = k + shift / kF0Hop;
      if (from < since || from + kSegment > std::min(end, memory_.end)) continue;
      if (then < 0 || then >= std::ssize(memory_.frames)) continue;
      frames[static_cast<size_t>(k)] = memory_.frames[static_cast<size_t>(then)];
      fresh_[static_cast<size_t>(k)] = false;
    }
    memory_ = {begin, end, std::move(frames)};
  }
  void hear(int64_t from, int64_t to) {
    const auto part = [from, to](auto span) {
      return span.subspan(static_cast<size_t>(from), static_cast<size_t>(to - from));
    };
    remove_rumble(part(voice_), part(std::span(heard_)));
  }
  std::span<const float> segment(size_t k) {
    const int64_t begin = segment_begin(k);
    if (begin >= 0 && begin + kSegment <= std::ssize(heard_))
      return std::span(heard_).subspan(static_cast<size_t>(begin), kSegment);
    for (int64_t i = 0; i < kSegment; ++i)
      edge_[static_cast<size_t>(i)] =
          begin + i >= 0 && begin + i < std::ssize(heard_) ? heard_[static_cast<size_t>(begin + i)] : 0.0f;
    return edge_;
  }
  void measure(size_t k) {
    F0Memory::Frame& frame = memory_.frames[k];
    frame.rms_db = rms_db(voice_.subspan(k * kF0Hop, kF0Hop));
    const auto heard = segment(k);
    frame.level = std::max(rms_db(heard), rms_db(std::span(heard_).subspan(k * kF0Hop, kF0Hop)));
    if (frame.level > kSilenceDb - kSilenceRangeDb) find_minima(difference_.of(heard), frame);
  }

  std::span<const float> voice_;
  F0Memory& memory_;
  Pooled<float> heard_;  // where it was heard anew
  Pooled<bool> fresh_;
  std::array<float, kSegment> edge_;
  Difference& difference_ = kept_difference();
};

}  // namespace

Pooled<F0Frame> track_f0(std::span<const float> voice) {
  F0Memory none;
  return track_f0(voice, 0, none);
}

Pooled<F0Frame> track_f0(std::span<const float> voice, int64_t begin, F0Memory& memory) {
  const Measurement measured(voice, begin, memory);
  const auto heard = measured.frames();
  const size_t count = heard.size();
  Pooled<float> sorted(count);
  std::ranges::transform(heard, sorted.begin(), &F0Memory::Frame::level);
  std::ranges::sort(sorted);
  const float soft = count > 0 ? sorted[nearest_rank(count, kLoud)] - kSoftDb : 0.0f;

  Pooled<FrameCandidates> candidates(count);
  for (size_t k = 0; k < count; ++k) {
    const float level = heard[k].level;
    const float silence =
        std::clamp(std::max((kSilenceDb - level) / kSilenceRangeDb, (soft - level) / kSoftRangeDb), 0.0f, 1.0f);
    candidates[k].all[0].cost = kUnvoiced * (1 - silence);
    candidates[k].count = 1;
    if (silence >= 1) continue;
    std::copy_n(heard[k].candidates.begin(), heard[k].count, candidates[k].all.begin() + 1);
    candidates[k].count += heard[k].count;
  }
  const Pooled<int> path = cheapest_path(candidates);
  Pooled<F0Frame> frames(count);
  for (size_t k = 0; k < count; ++k) {
    frames[k].rms_db = heard[k].rms_db;
    if (path[k] == 0) continue;
    const Candidate& chosen = candidates[k].all[static_cast<size_t>(path[k])];
    frames[k].hz = std::exp2(chosen.log2_hz);
    frames[k].voicing = std::clamp(1.0f - chosen.difference, 0.0f, 1.0f);
  }
  return frames;
}

}  // namespace fastsag::dsp
