#include "dsp/phase.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <complex>
#include <numbers>

#include "dsp/mel.h"
#include "dsp/pool.h"
#include "dsp/stft.h"
#include "dsp/variants.h"

namespace fastsag::dsp {
namespace {

constexpr int kBins = kMelBins, kHop = kMelHop, kFft = kMelFft;
// The Gaussian exp(-pi t^2 / gamma) that is nearest to a Hann window.
constexpr float kGamma = 0.25645f * kFft * kFft;
// Below this share of the largest magnitude the gradient is that of rounding noise.
constexpr float kTolerance = 1e-6f;

// Over which what remains of the seam's step fades out: 5 ms.
constexpr int kSeam = 128;

using Spectra = Pooled<std::complex<float>>;

// std::norm takes a root and squares it.
float power(std::complex<float> c) { return c.real() * c.real() + c.imag() * c.imag(); }

// One round's answer: a step further from what the last one made (`ahead` and back), with the magnitudes that are
// wanted.
FASTSAG_VARIANTS void accelerate(std::span<const std::complex<float>> current,
                                 std::span<const std::complex<float>> previous, std::span<const float> magnitude,
                                 float momentum, std::span<std::complex<float>> estimate) {
  const auto* now = reinterpret_cast<const float*>(current.data());
  const auto* before = reinterpret_cast<const float*>(previous.data());
  auto* out = reinterpret_cast<float*>(estimate.data());
  for (size_t i = 0; i < magnitude.size(); ++i) {
    const float re = now[2 * i] + momentum * (now[2 * i] - before[2 * i]);
    const float im = now[2 * i + 1] + momentum * (now[2 * i + 1] - before[2 * i + 1]);
    const float scale = magnitude[i] / std::sqrt(re * re + im * im + 1e-30f);
    out[2 * i] = scale * re;
    out[2 * i + 1] = scale * im;
  }
}

constexpr float kPi = std::numbers::pi_v<float>;

// Phases of coefficients: Abramowitz and Stegun 4.4.49, off by 1e-7 at most.
FASTSAG_VARIANTS void arguments(std::span<const std::complex<float>> coefficients, std::span<float> phases) {
  const auto* in = reinterpret_cast<const float*>(coefficients.data());
  for (size_t i = 0; i < coefficients.size(); ++i) {
    const float re = in[2 * i], im = in[2 * i + 1], x = std::abs(re), y = std::abs(im);
    const float small = x < y ? x : y, large = x < y ? y : x;
    const float t = small / (large + 1e-30f), s = t * t;
    float angle =
        t *
        (1 +
         s * (-0.3333314528f +
              s * (0.1999355085f +
                   s * (-0.1420889944f +
                        s * (0.1065626393f +
                             s * (-0.0752896400f + s * (0.0429096138f + s * (-0.0161657367f + s * 0.0028662257f))))))));
    angle = x < y ? kPi / 2 - angle : angle;
    angle = re < 0 ? kPi - angle : angle;
    phases[i] = im < 0 ? -angle : angle;
  }
}

// magnitude e^(i phase), to 1e-7 of the magnitude; phases within a few turns.
FASTSAG_VARIANTS void polar(std::span<const float> magnitude, std::span<const float> phases,
                            std::span<std::complex<float>> coefficients) {
  auto* out = reinterpret_cast<float*>(coefficients.data());
  for (size_t i = 0; i < magnitude.size(); ++i) {
    const float quarter = std::floor(phases[i] * (2 / kPi) + 0.5f);
    const float x = phases[i] - quarter * 1.5707963f - quarter * 2.6794897e-8f, s = x * x;
    const float sine = x * (1 + s * (-1.6666654611e-1f + s * (8.3321608736e-3f - s * 1.9515295891e-4f)));
    const float cosine =
        1 - 0.5f * s + s * s * (4.166664568298827e-2f + s * (-1.388731625493765e-3f + s * 2.443315711809948e-5f));
    const auto turn = static_cast<int32_t>(quarter);
    const float a = turn & 1 ? sine : cosine, b = turn & 1 ? cosine : sine;
    out[2 * i] = magnitude[i] * ((turn + 1) & 2 ? -a : a);
    out[2 * i + 1] = magnitude[i] * (turn & 2 ? -b : b);
  }
}

// In [-pi, pi): splitmix64 of the coefficient's absolute place.
float hashed_phase(int64_t frame, int bin) {
  uint64_t z = static_cast<uint64_t>(frame) * kBins + bin + 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  z ^= z >> 31;
  return kPi * (static_cast<float>(z >> 40) * 0x1p-23f - 1);
}

// Coefficients by magnitude, the largest first: in steps of a hundredth of a neper, for which no comparison is needed.
// Each is in it once at most.
class MagnitudeQueue {
 public:
  MagnitudeQueue(size_t coefficients, float largest_log) : next_(coefficients), largest_log_(largest_log) {
    first_.fill(kNone);
  }
  bool empty() {
    while (at_ < kSteps && first_[at_] == kNone) ++at_;
    return at_ == kSteps;
  }
  void push(int i, float log_magnitude) {
    const auto step = static_cast<size_t>(std::clamp((largest_log_ - log_magnitude) * 100, 0.f, float{kSteps - 1}));
    next_[i] = first_[step];
    first_[step] = i;
    at_ = std::min(at_, step);
  }
  int pop() {  // not where it is empty
    const int i = first_[at_];
    first_[at_] = next_[i];
    return i;
  }

 private:
  static constexpr size_t kSteps = 1400;  // down to kTolerance: 13.8 nepers
  static constexpr int kNone = -1;
  std::array<int, kSteps> first_;
  Pooled<int> next_;
  float largest_log_;
  size_t at_ = kSteps;  // no larger ones than here
};

// Phases here are those of a window centred on time zero, for which the gradient of a steady tone is flat over bins.
// The STFT counts from the frame's start, half a window earlier: a factor of (-1)^bin.
class HeapIntegration {
 public:
  HeapIntegration(std::span<const float> magnitude, int64_t first_frame)
      : magnitude_(magnitude),
        frames_(static_cast<int>(magnitude.size()) / kBins),
        first_frame_(first_frame),
        floor_(std::max(std::ranges::max(magnitude) * kTolerance, 1e-12f)),
        log_(magnitude.size()),
        time_half_(magnitude.size()),
        bin_half_(magnitude.size()),
        phase_(magnitude.size()),
        state_(magnitude.size()),
        queue_(magnitude.size(), std::log(floor_ / kTolerance)) {
    std::ranges::transform(magnitude, log_.begin(), [this](float m) { return std::log(std::max(m, floor_)); });
    std::ranges::transform(magnitude, state_.begin(),
                           [this](float m) { return m > floor_ ? State::wanted : State::low; });
    for (int frame = 0; frame < frames_; ++frame) find_gradient(frame);
  }

  // The phases of the frames from `first` on are known: integrate from them.
  void know(int first, std::span<const std::complex<float>> spectra) {
    if (spectra.empty()) return;
    const int begin = first * kBins, end = begin + static_cast<int>(spectra.size());
    arguments(spectra, std::span(phase_).subspan(begin, spectra.size()));
    for (int i = begin; i < end; ++i) {
      phase_[i] = centred(phase_[i], i % kBins);
      const bool at_edge = i + kBins >= end || (begin > 0 && i < begin + kBins);
      if (at_edge && state_[i] == State::wanted) queue_.push(i, log_[i]);
      state_[i] = State::done;
    }
  }

  // The phases of a guide are known wherever it is more than a trace of the magnitude.
  void follow(std::span<const std::complex<float>> guide) {
    constexpr float kTrace = 0.25f;
    Pooled<float> phases(guide.size());
    arguments(guide, phases);
    for (int i = 0; i < std::ssize(guide); ++i)
      if (wanted(i) && power(guide[i]) > kTrace * kTrace * magnitude_[i] * magnitude_[i])
        set(i, centred(phases[i], i % kBins));
  }

  // The magnitudes with their phases.
  Spectra run() {
    spread();
    for (const int seed : peaks()) {
      if (state_[seed] == State::done) continue;
      set(seed, 0);
      spread();
    }
    for (int i = 0; i < std::ssize(phase_); ++i)
      phase_[i] =
          centred(state_[i] == State::done ? phase_[i] : hashed_phase(first_frame_ + i / kBins, i % kBins), i % kBins);
    Spectra spectra(magnitude_.size());
    polar(magnitude_, phase_, spectra);
    return spectra;
  }

 private:
  enum class State : char { low, wanted, done };

  void find_gradient(int frame) {
    const int first = frame * kBins, last = first + kBins - 1;
    for (int i = first + 1; i < last; ++i)
      time_half_[i] = 0.5f * kHop * kFft / kGamma * (log_[i + 1] - log_[i - 1]) / 2;
    const int before = frame > 0 ? kBins : 0, after = frame < frames_ - 1 ? kBins : 0;
    const float per_frame = -0.5f * kGamma / (kHop * kFft) / static_cast<float>(before && after ? 2 : 1);
    for (int i = first; i <= last; ++i) bin_half_[i] = per_frame * (log_[i + after] - log_[i - before]);
  }

  static float centred(float phase, int bin) { return phase + (bin % 2 ? kPi : 0.0f); }
  void set(int i, float phase) {
    phase_[i] = phase;
    state_[i] = State::done;
    queue_.push(i, log_[i]);
  }

  bool wanted(int i) const { return state_[i] == State::wanted; }

  // From the strongest known coefficient to its neighbours, until nothing strong enough is left to reach.
  void spread() {
    while (!queue_.empty()) {
      const int i = queue_.pop(), bin = i % kBins;
      const float own = 2 * kPi / kFft * static_cast<float>(bin * kHop % kFft);
      if (i + kBins < std::ssize(phase_) && wanted(i + kBins))
        set(i + kBins, wrap(phase_[i] + own + time_half_[i] + time_half_[i + kBins]));
      if (i >= kBins && wanted(i - kBins))
        set(i - kBins, wrap(phase_[i] - own - time_half_[i] - time_half_[i - kBins]));
      if (bin + 1 < kBins && wanted(i + 1)) set(i + 1, wrap(phase_[i] + bin_half_[i] + bin_half_[i + 1]));
      if (bin > 0 && wanted(i - 1)) set(i - 1, wrap(phase_[i] - bin_half_[i] - bin_half_[i - 1]));
    }
  }

  // A float keeps its precision near zero only.
  static float wrap(float phase) {
    constexpr float kTurn = 2 * kPi;
    return phase - kTurn * std::round(phase / kTurn);
  }

  // Largest first: where an island that nothing known touches is entered. An island's largest is a local maximum.
  Pooled<int> peaks() const {
    Pooled<int> found;
    const int count = static_cast<int>(magnitude_.size());
    for (int i = 0; i < count; ++i) {
      const float m = magnitude_[i];
      if (!wanted(i)) continue;
      const int bin = i % kBins;
      if ((bin > 0 && magnitude_[i - 1] > m) || (bin + 1 < kBins && magnitude_[i + 1] > m)) continue;
      if ((i >= kBins && magnitude_[i - kBins] > m) || (i + kBins < count && magnitude_[i + kBins] > m)) continue;
      found.push_back(i);
    }
    std::ranges::sort(
        found, [this](int a, int b) { return magnitude_[a] != magnitude_[b] ? magnitude_[a] > magnitude_[b] : a < b; });
    return found;
  }

  std::span<const float> magnitude_;
  int frames_;
  int64_t first_frame_;
  float floor_;
  Pooled<float> log_;
  // Half the step of the phase from one frame to the next, in radians (the 2 pi hop bin / fft of the bin's own
  // frequency left out): by the Cauchy-Riemann equations, how the log-magnitude changes over bins.
  Pooled<float> time_half_;
  Pooled<float> bin_half_;  // from one bin to the next: how it changes over frames
  Pooled<float> phase_;
  Pooled<State> state_;
  MagnitudeQueue queue_;
};

// What the past says about a span of frames: samples [begin, end) of it, and the spectra of the frames these fill.
struct Known {
  size_t begin = 0;
  std::span<const float> samples;
  int first_frame = 0;
  Spectra spectra;

  void put_samples(std::span<float> wave) const { std::ranges::copy(samples, wave.begin() + begin); }
  // The wave misses the samples just before the past's end by a little, so it would step at the seam. That error,
  // mirrored at the end, goes onto the samples after it and fades out.
  void close_seam(std::span<float> wave) const {
    const size_t end = begin + samples.size();
    const size_t length = std::min({size_t(kSeam), samples.size(), wave.size() - end});
    for (size_t n = 0; n < length; ++n) {
      const float fade = 0.5f + 0.5f * std::cos(kPi * static_cast<float>(n) / kSeam);
      wave[end + n] += fade * (samples[samples.size() - 1 - n] - wave[end - 1 - n]);
    }
  }
  void put_spectra(Spectra& all) const { std::ranges::copy(spectra, all.begin() + first_frame * kBins); }
};

Spectra spectra_of(std::span<const float> wave, Stft& stft) {
  Spectra spectra(size_t(stft.frames(std::ssize(wave))) * kBins);
  stft.forward(wave, spectra);
  return spectra;
}

Known known_part(const Past& past, int64_t span_begin, int64_t span_end, Stft& stft) {
  const int64_t past_begin = past.end - std::ssize(past.samples);
  const int64_t begin = std::max(past_begin, span_begin), end = std::min(past.end, span_end);
  if (begin >= end) return {};
  Known known{size_t(begin - span_begin), past.samples.subspan(begin - past_begin, end - begin), 0, {}};
  // The first frame that starts at a known sample.
  const int64_t first_frame = (begin - span_begin + kHop - 1) / kHop, begin_of_frame = span_begin + first_frame * kHop;
  if (end - begin_of_frame >= kFft) {
    known.first_frame = static_cast<int>(first_frame);
    known.spectra = spectra_of(known.samples.subspan(begin_of_frame - begin), stft);
  }
  return known;
}

}  // namespace

std::vector<float> synthesize(std::span<const float> magnitude, int64_t first_frame, const Past& past,
                              const PhaseOptions& options, std::span<const float> guide) {
  std::vector<float> samples(magnitude.size() / kBins * kHop);
  synthesize(magnitude, first_frame, past, options, guide, samples);
  return samples;
}

void synthesize(std::span<const float> given_magnitude, int64_t first_frame, const Past& past,
                const PhaseOptions& options, std::span<const float> guide, std::span<float> samples) {
  const int frames = static_cast<int>(given_magnitude.size()) / kBins;
  assert(std::ssize(given_magnitude) == frames * kBins && std::ssize(samples) == frames * kHop);
  if (frames == 0) return;
  thread_local Stft stft(kFft, kHop);
  stft.transform_by(options.fft);
  Pooled<float> wave(stft.samples(frames));
  const int64_t begin = first_frame * kHop - kMelPad;
  const Known known = known_part(past, begin, begin + std::ssize(wave), stft);
  Pooled<float> magnitude(given_magnitude.begin(), given_magnitude.end());
  std::ranges::transform(known.spectra, magnitude.begin() + known.first_frame * kBins,
                         [](std::complex<float> c) { return std::sqrt(power(c)); });

  HeapIntegration integration(magnitude, first_frame);
  integration.know(known.first_frame, known.spectra);
  assert(guide.empty() || guide.size() == wave.size());
  integration.follow(spectra_of(guide, stft));
  Spectra estimate = integration.run(), current(estimate.size()), previous;
  known.put_spectra(estimate);
  stft.inverse(estimate, wave);
  for (int round = 0; round < options.griffin_lim; ++round) {
    known.put_samples(wave);
    stft.forward(wave, current);
    const float momentum = round == 0 ? 0 : options.momentum;
    if (round == 0) previous = current;
    accelerate(current, previous, magnitude, momentum, estimate);
    std::swap(current, previous);
    known.put_spectra(estimate);
    stft.inverse(estimate, wave);
  }
  known.close_seam(wave);
  known.put_samples(wave);
  std::copy_n(wave.begin() + kMelPad, samples.size(), samples.begin());
}

}  // namespace fastsag::dsp
