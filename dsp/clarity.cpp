#include "dsp/clarity.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "dsp/mel.h"
#include "dsp/mel_scale.h"
#include "dsp/quantile.h"
#include "dsp/resampler.h"
#include "dsp/spectrogram.h"
#include "dsp/stft.h"

namespace fastsag::dsp {
namespace {

constexpr int kFft = 4096, kHop = 1024;
constexpr double kHzPerBin = static_cast<double>(kFigureRate) / kFft;
constexpr size_t kFirst = static_cast<size_t>(80 / kHzPerBin) + 1, kLast = static_cast<size_t>(2000 / kHzPerBin);
constexpr size_t kAround = 20, kWidth = 2;  // bins on either side: of a median, of a peak
constexpr double kAbove = 6;                // dB: a peak over its surroundings
constexpr double kAttackHz = 10000;         // above, 22.05 kHz hold nothing

// Harmonics over the rest, dB. power, level_db: [bins].
double harmonics_over_rest(std::span<const double> power, std::span<const double> level_db) {
  std::vector<bool> harmonic(power.size());
  std::vector<double> around(2 * kAround + 1);
  for (size_t k = kFirst - kWidth; k <= kLast + kWidth; ++k) {
    if (level_db[k] <= level_db[k - 1] || level_db[k] < level_db[k + 1]) continue;
    const size_t first = k - std::min(k, kAround);
    std::ranges::copy(level_db.subspan(first, around.size()), around.begin());
    const auto middle = around.begin() + kAround;
    std::ranges::nth_element(around, middle);
    if (level_db[k] < *middle + kAbove) continue;
    for (size_t near = k - kWidth; near <= k + kWidth; ++near) harmonic[near] = true;
  }
  double harmonics = 1e-12, rest = 1e-12;
  for (size_t k = kFirst; k <= kLast; ++k) (harmonic[k] ? harmonics : rest) += power[k];
  return 10 * std::log10(harmonics / rest);
}

double mean_hnr(std::span<const float> wave) {
  Stft stft(kFft, kHop);
  const auto bins = static_cast<size_t>(stft.bins());
  std::vector<std::complex<float>> spectrum(bins);
  std::vector<double> power(bins), level_db(bins);
  double sum = 0;
  size_t heard = 0;
  for (int k = 0; k < stft.frames(std::ssize(wave)); ++k) {
    const auto frame = wave.subspan(static_cast<size_t>(k) * kHop, kFft);
    double energy = 0;
    for (const float x : frame) energy += static_cast<double>(x) * x;
    if (10 * std::log10(energy / kFft + 1e-18) < static_cast<double>(kAudibleDb)) continue;
    stft.analyse(frame, spectrum);
    for (size_t i = 0; i < bins; ++i) {
      power[i] = static_cast<double>(std::norm(spectrum[i]));
      level_db[i] = 10 * std::log10(power[i] + 1e-18);
    }
    sum += harmonics_over_rest(power, level_db);
    ++heard;
  }
  return heard > 0 ? sum / static_cast<double>(heard) : kNoFigure;
}

double attack_strength(std::span<const float> wave) {
  const auto resampled = resample(wave, kFigureRate, static_cast<int>(kMelSampleRate));
  if (std::ssize(resampled) < 4 * kMelFft) return kNoFigure;
  const auto log_mel = mel(resampled);
  const size_t frames = log_mel.size() / kMelBands;
  const double step = hz_to_mel(kMelSampleRate / 2) / (kMelBands + 1);
  const auto bands = static_cast<size_t>(hz_to_mel(kAttackHz) / step) - 1;  // whose upper edges lie below
  std::vector<double> rises(frames - 1);
  for (size_t band = 0; band < bands; ++band) {
    const float* row = &log_mel[band * frames];
    for (size_t k = 1; k < frames; ++k)
      rises[k - 1] += static_cast<double>(std::max(0.0f, row[k] - row[k - 1])) / static_cast<double>(bands);
  }
  std::ranges::sort(rises);
  return quantile(rises, 0.95);
}

}  // namespace

Clarity clarity(std::span<const float> wave) {
  const auto levelled = at_loudness({wave.begin(), wave.end()}, kBeatLufs);
  if (gated_lufs(levelled) <= kFloorLufs + 1) return {};
  return {mean_hnr(levelled), attack_strength(levelled)};
}

}  // namespace fastsag::dsp
