#include "dsp/semitone.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "dsp/stft.h"

namespace fastsag::dsp {
namespace {

constexpr int kFft = 4096;
constexpr int kPad = (kFft - kSemitoneHop) / 2;
constexpr double kHzPerBin = 24000.0 / kFft;

struct Band {
  int first = 0;
  std::vector<float> weights;
};

// A triangle over keys, .6 semitones to each side; low down, where a semitone is less than a bin, .75 bins. Its weights
// are scaled to a sum of squares of 1, which makes it a matched filter: wherever a sine lies between the bins, the band
// whose triangle is most like the sine's main lobe answers most, not the one that happens to hold fewer bins.
Band make_band(int key) {
  const double hz = 440 * std::exp2((key - 69) / 12.0);
  const double half_width = std::max(0.6, 12 * std::log2(1 + 0.75 * kHzPerBin / hz));
  Band band;
  double power = 0;
  for (int bin = 1; bin <= kFft / 2; ++bin) {
    const double distance = std::abs(12 * std::log2(bin * kHzPerBin / hz));
    if (distance >= half_width) continue;
    if (band.weights.empty()) band.first = bin;
    band.weights.push_back(static_cast<float>(1 - distance / half_width));
    power += band.weights.back() * band.weights.back();
  }
  for (float& weight : band.weights) weight /= static_cast<float>(std::sqrt(power));
  return band;
}

const std::vector<Band>& bands() {
  static const std::vector<Band> made = [] {
    std::vector<Band> all;
    for (int band = 0; band < kSemitoneBands; ++band) all.push_back(make_band(kSemitoneFirstKey + band));
    return all;
  }();
  return made;
}

}  // namespace

std::vector<float> semitones(std::span<const float> wave) {
  std::vector<float> padded(wave.size() + 2 * kPad);
  std::ranges::copy(wave, padded.begin() + kPad);
  Stft stft(kFft, kSemitoneHop);
  const size_t frames = semitone_frames(std::ssize(wave));
  std::vector<float> out(kSemitoneBands * frames), magnitude(stft.bins());
  std::vector<std::complex<float>> spectrum(stft.bins());
  for (size_t k = 0; k < frames; ++k) {
    stft.analyse(std::span(padded).subspan(k * kSemitoneHop, kFft), spectrum);
    std::ranges::transform(spectrum, magnitude.begin(), [](std::complex<float> c) { return std::sqrt(std::norm(c)); });
    for (size_t band = 0; band < kSemitoneBands; ++band) {
      const auto& [first, weights] = bands()[band];
      float sum = 0;
      for (size_t i = 0; i < weights.size(); ++i) sum += weights[i] * magnitude[first + i];
      out[band * frames + k] = 0.5f * std::log10(1 + 10 * sum);
    }
  }
  return out;
}

}  // namespace fastsag::dsp
