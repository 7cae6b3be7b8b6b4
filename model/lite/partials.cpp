#include "model/lite/partials.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <numbers>

#include "dsp/mel.h"
#include "dsp/variants.h"
#include "model/ensemble.h"
#include "model/hashed_normal.h"
#include "model/lite/roll.h"

namespace fastsag::model {
namespace {

constexpr int64_t kBins = dsp::kMelBins, kHop = dsp::kMelHop, kFft = dsp::kMelFft;
constexpr double kTurn = 2 * std::numbers::pi;
constexpr double kHighestHz = 5000;  // above, a band holds so many partials that their phases are noise
constexpr int kMostPartials = 40;
constexpr float kLeast = 1e-3f;                  // of the power in its bin: a partial that has less is not heard there
constexpr int64_t kRing = 3 * kSampleRate / 10;  // samples that a released string is heard on

struct Partial {
  double hz, phase;     // phase: radians, at the onset
  double level, decay;  // against others in the same bin; nepers a second
  int64_t onset, release, end;
};

// Of the sound font's piano: fitted to its spectra, every third key from 28 to 88 (a third off at most).
double inharmonicity(int key) { return 4.5e-5 * std::exp(0.081 * std::max(0, key - 36)); }

dsp::Pooled<Partial> partials_within(std::span<const Note> notes, int64_t begin, int64_t end) {
  dsp::Pooled<Partial> partials;
  for (const Note& note : notes) {
    if (note.channel != kPianoChannel && note.channel != kBassChannel) continue;
    if (note.pitch < kFirstKey || note.pitch >= kFirstKey + kKeys) continue;
    if (note.onset >= end || note.release + kRing <= begin) continue;
    const double hz = 440 * std::exp2((note.pitch - 69) / 12.0), stiffness = inharmonicity(note.pitch);
    for (int h = 1; h <= kMostPartials; ++h) {
      const double own = h * hz * std::sqrt(1 + stiffness * h * h);
      if (own > kHighestHz) break;
      const double phase =
          kTurn * 0x1p-64 * static_cast<double>(splitmix64(static_cast<uint64_t>(note.pitch * 64 + h)));
      const double level = std::pow(note.velocity / 80.0, 1.7) * std::pow(h, -1.2), decay = 0.5 + own / 1500;
      partials.push_back({own, phase, level, decay, note.onset, note.release, note.release + kRing});
    }
  }
  return partials;
}

size_t bin_of(const Partial& partial) { return static_cast<size_t>(std::lround(partial.hz * kFft / kSampleRate)); }

// What a partial has in the frames in which it sounds.
struct Course {
  int64_t first = 0;  // frame of the span
  dsp::Pooled<float> values;

  float at(int64_t frame) const {
    return frame < first || frame >= first + std::ssize(values) ? 0 : values[static_cast<size_t>(frame - first)];
  }
};

// Its own level, of `frames` whose first has its middle at that position.
Course levels_of(const Partial& partial, int64_t first_middle, int64_t frames) {
  const auto seconds_since = [](int64_t from, int64_t position) {
    return static_cast<double>(std::max<int64_t>(0, position - from)) / kSampleRate;
  };
  const auto frame_after = [&](int64_t position) {
    return std::clamp<int64_t>((position - first_middle + kHop - 1) / kHop, 0, frames);
  };
  Course course{frame_after(partial.onset - kFft / 2), {}};
  const int64_t end = frame_after(partial.end);
  course.values.reserve(static_cast<size_t>(std::max<int64_t>(0, end - course.first)));
  for (int64_t frame = course.first; frame < end; ++frame) {
    const int64_t middle = first_middle + frame * kHop;
    const double falls =
        partial.decay * seconds_since(partial.onset, middle) + 12 * seconds_since(partial.release, middle);
    course.values.push_back(static_cast<float>(partial.level) * std::exp(static_cast<float>(-falls)));
  }
  return course;
}

// What a bin holds, shared among the partials about it by their levels' power.
dsp::Pooled<Course> gains_of(std::span<const Partial> partials, std::span<const float> magnitude, int64_t first_frame) {
  const int64_t frames = std::ssize(magnitude) / kBins;
  dsp::Pooled<Course> courses;
  dsp::Pooled<float> power(magnitude.size());
  for (const Partial& partial : partials) {
    const Course& course = courses.emplace_back(levels_of(partial, first_frame * kHop + kHop / 2, frames));
    for (int64_t frame = course.first; frame < course.first + std::ssize(course.values); ++frame) {
      float* const about = power.data() + frame * kBins + bin_of(partial);
      const float level = course.at(frame);
      for (int near = -1; near <= 1; ++near) about[near] += level * level;
    }
  }
  for (size_t i = 0; i < partials.size(); ++i) {
    for (size_t k = 0; k < courses[i].values.size(); ++k) {
      const size_t at = (static_cast<size_t>(courses[i].first) + k) * kBins + bin_of(partials[i]);
      float& value = courses[i].values[k];
      const float amplitude = magnitude[at] / (kFft / 4);  // of a lone tone
      value = value * value <= kLeast * power[at] ? 0 : amplitude * value / std::sqrt(power[at]);
    }
  }
  return courses;
}

constexpr size_t kBlock = 64;  // of samples that one rotation serves

// Block after block of `samples`, cos of the angle of `at` and its turns; returns the angle after the last.
FASTSAG_VARIANTS std::complex<double> add_blocks(std::span<float> samples, float from, float slope, const float* cosine,
                                                 const float* sine, std::complex<double> at,
                                                 std::complex<double> step) {
  double re = at.real(), im = at.imag();
  const double step_re = step.real(), step_im = step.imag();
  float* out = samples.data();
  for (size_t n = 0; n < samples.size(); n += kBlock) {
    const auto c = static_cast<float>(re), s = static_cast<float>(im);
    const float gain = from + slope * static_cast<float>(n);
    for (size_t j = 0; j < kBlock; ++j)
      out[n + j] += (gain + slope * static_cast<float>(j)) * (c * cosine[j] - s * sine[j]);
    const double next = re * step_re - im * step_im;
    im = re * step_im + im * step_re;
    re = next;
  }
  return {re, im};
}

// A partial's tone, sample after sample.
class Tone {
 public:
  explicit Tone(double turn) : turn_(turn), step_(std::polar(1., turn * kBlock)) {
    std::complex<double> at = 1;
    const std::complex<double> one = std::polar(1., turn);
    for (size_t j = 0; j < kBlock; ++j, at *= one) {
      cosine_[j] = static_cast<float>(at.real());
      sine_[j] = static_cast<float>(at.imag());
    }
  }
  // Where it goes on that is nothing new.
  void seek(int64_t sample, double phase) {
    if (sample != next_) at_ = std::polar(1., phase + std::fmod(turn_ * static_cast<double>(sample), kTurn));
    next_ = sample;
  }
  // Onto the samples, with a loudness that goes in a line from `from` to `to`.
  void add_to(std::span<float> samples, float from, float to) {
    const float slope = (to - from) / static_cast<float>(samples.size());
    const size_t whole = samples.size() / kBlock * kBlock;
    at_ = add_blocks(samples.first(whole), from, slope, cosine_.data(), sine_.data(), at_, step_);
    const auto rest = samples.subspan(whole);
    for (size_t j = 0; j < rest.size(); ++j)
      rest[j] += (from + slope * static_cast<float>(whole + j)) *
                 (static_cast<float>(at_.real()) * cosine_[j] - static_cast<float>(at_.imag()) * sine_[j]);
    next_ = rest.empty() ? next_ + std::ssize(samples) : -1;
  }

 private:
  double turn_;
  std::complex<double> step_, at_;
  int64_t next_ = -1;  // the sample, counted from the onset, that `at_` is the phase of
  std::array<float, kBlock> cosine_, sine_;
};

}  // namespace

dsp::Pooled<float> partials_of(std::span<const Note> notes, std::span<const float> magnitude, int64_t first_frame) {
  const int64_t frames = std::ssize(magnitude) / kBins;
  if (frames == 0) return {};
  const int64_t begin = first_frame * kHop - dsp::kMelPad, end = begin + (frames - 1) * kHop + kFft;
  dsp::Pooled<float> wave(static_cast<size_t>(end - begin));
  const dsp::Pooled<Partial> partials = partials_within(notes, begin, end);
  const dsp::Pooled<Course> gains = gains_of(partials, magnitude, first_frame);
  for (size_t i = 0; i < partials.size(); ++i) {
    const Partial& partial = partials[i];
    if (std::ranges::all_of(gains[i].values, [](float g) { return g == 0; })) continue;
    Tone tone(kTurn * partial.hz / kSampleRate);
    const auto gain = [&](int64_t frame) { return gains[i].at(std::clamp<int64_t>(frame, 0, frames - 1)); };
    // From the middle of one frame to that of the next; half a window more before the first and after the last.
    const int64_t lead = kFft / (2 * kHop);
    for (int64_t frame = -lead; frame < frames + lead - 1; ++frame) {
      const float low = gain(frame), high = gain(frame + 1);
      if (low == 0 && high == 0) continue;
      const int64_t middle = begin + kFft / 2 + frame * kHop;
      const int64_t from = std::max(middle, partial.onset), to = std::min(middle + kHop, partial.end);
      if (from >= to) continue;
      const auto at = [&](int64_t position) {
        return low + (high - low) * static_cast<float>(position - middle) / kHop;
      };
      tone.seek(from - partial.onset, partial.phase);
      tone.add_to(std::span(wave).subspan(static_cast<size_t>(from - begin), static_cast<size_t>(to - from)), at(from),
                  at(to));
    }
  }
  return wave;
}

}  // namespace fastsag::model
