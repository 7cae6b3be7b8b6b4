#include "dsp/constant_q.h"

#include <kiss_fft.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <memory>
#include <numbers>

#include "dsp/fft.h"
#include "dsp/spectrogram.h"

namespace fastsag::dsp {
namespace {

constexpr double kLobes = 4;  // bins of the filter's own length to each side that are kept: the rest is below -50 dB

// Spectrum of a Hann window of length and sum 1, at x cycles.
double hann_spectrum(double x) {
  if (std::abs(std::abs(x) - 1) < 1e-6) return 0.5;
  if (std::abs(x) < 1e-6) return 1;
  const double angle = std::numbers::pi * x;
  return std::sin(angle) / angle / (1 - x * x);
}

}  // namespace

std::vector<float> constant_q(std::span<const float> wave, double tuning) {
  const double step = std::exp2(1.0 / kConstantQPerOctave);
  const double q = (step * step + 1) / (step * step - 1);
  const double lowest = 440 * std::exp2((kConstantQFirstKey - 69) / 12.0 + tuning / kConstantQPerOctave);
  const size_t frames = figure_frames(wave.size());
  // The end must not ring around into the beginning.
  const auto longest = static_cast<size_t>(q * kFigureRate / lowest);
  const int folded = kiss_fft_next_fast_size(static_cast<int>(frames + longest / kFigureHop + 2));
  const auto size = static_cast<size_t>(folded) * kFigureHop;

  std::vector<float> padded(size);
  std::ranges::copy(wave, padded.begin());
  std::vector<std::complex<float>> spectrum(size / 2 + 1);
  Fft(static_cast<int>(size)).forward(padded, spectrum);

  const std::unique_ptr<void, decltype(&kiss_fft_free)> plan(kiss_fft_alloc(folded, 1, nullptr, nullptr),
                                                             &kiss_fft_free);
  std::vector<float> result(kConstantQBins * frames);
  std::vector<std::complex<float>> band(static_cast<size_t>(folded)), time(band.size());
  for (size_t bin = 0; bin < kConstantQBins; ++bin) {
    const double hz = lowest * std::pow(step, static_cast<double>(bin));
    const double length = q * kFigureRate / hz, bins_per_lobe = static_cast<double>(size) / length;
    const double centre = hz / kFigureRate * static_cast<double>(size);
    const auto first = static_cast<size_t>(std::max(0.0, std::ceil(centre - kLobes * bins_per_lobe)));
    const auto last = std::min(size / 2, static_cast<size_t>(centre + kLobes * bins_per_lobe));
    const double scale = std::sqrt(length) / static_cast<double>(size);
    std::ranges::fill(band, std::complex<float>(0));
    for (size_t m = first; m <= last; ++m) {
      const double weight = scale * hann_spectrum((static_cast<double>(m) - centre) / bins_per_lobe);
      band[m % band.size()] += static_cast<float>(weight) * spectrum[m];
    }
    kiss_fft(static_cast<kiss_fft_cfg>(plan.get()), reinterpret_cast<const kiss_fft_cpx*>(band.data()),
             reinterpret_cast<kiss_fft_cpx*>(time.data()));
    for (size_t k = 0; k < frames; ++k) result[bin * frames + k] = std::sqrt(std::norm(time[k]));
  }
  return result;
}

}  // namespace fastsag::dsp
