#include "dsp/accompaniment_features.h"

#include <algorithm>
#include <cmath>

#include "dsp/constant_q.h"
#include "dsp/meter.h"
#include "dsp/quantile.h"
#include "dsp/spectral_tuning.h"
#include "dsp/spectrogram.h"

namespace fastsag::dsp {
namespace {

constexpr int kThirds = kConstantQPerOctave / 12;  // of a semitone: bins

// Rows moved down by that many.
void move_rows(std::vector<float>& matrix, size_t columns, int rows) {
  const auto count = std::ssize(matrix) / std::max<ptrdiff_t>(1, static_cast<ptrdiff_t>(columns));
  const auto start = (rows % count + count) % count * static_cast<ptrdiff_t>(columns);
  std::ranges::rotate(matrix, matrix.begin() + start);
}

// Bins fold onto the pitch class that they are nearest to.
std::vector<float> folded(std::span<const float> constant_q, size_t frames) {
  std::vector<float> chroma(12 * frames);
  for (size_t bin = 0; bin < kConstantQBins; ++bin) {
    const size_t pitch_class = (bin + kThirds / 2) / kThirds % 12;
    for (size_t k = 0; k < frames; ++k) chroma[pitch_class * frames + k] += constant_q[bin * frames + k];
  }
  return chroma;
}

// Bins whose middle lies in [low, high].
std::span<const float> between(std::span<const float> frame, double low, double high) {
  const auto first = static_cast<size_t>(std::ceil(low / kFigureHzPerBin));
  return frame.subspan(first, static_cast<size_t>(high / kFigureHzPerBin) - first + 1);
}

void measure_noise(const Spectrogram& spectrogram, AccompanimentFeatures& features) {
  double flat = 0, peak = 0;
  size_t count = 0;
  std::vector<double> levels;
  for (size_t k = 0; k < spectrogram.frames; ++k) {
    if (features.level_db[k] < kAudibleDb) continue;
    ++count;
    double logs = 0, sum = 0;
    const auto wide = between(spectrogram.frame(k), 100, 8000);
    for (const float x : wide) {
      const double power = static_cast<double>(x) * x + 1e-10;
      logs += std::log10(power);
      sum += power;
    }
    const auto bins = static_cast<double>(wide.size());
    flat += logs / bins - std::log10(sum / bins);
    levels.clear();
    for (const float x : between(spectrogram.frame(k), 200, 5000)) {
      levels.push_back(10 * std::log10(static_cast<double>(x) * x + 1e-10));
    }
    std::ranges::sort(levels);
    peak += quantile(levels, 0.95) - quantile(levels, 0.5);
  }
  if (static_cast<double>(count) <= 0.05 * static_cast<double>(spectrogram.frames)) return;
  features.flat = flat / static_cast<double>(count);
  features.peak = peak / static_cast<double>(count);
}

void measure_silence(AccompanimentFeatures& features) {
  const auto silent = std::ranges::count_if(features.level_db, [](float db) { return db < kAudibleDb; });
  features.silent = static_cast<double>(silent) / static_cast<double>(features.frames);
}

}  // namespace

double gated_lufs(std::span<const float> wave) {
  if (wave.size() <= kFigureRate / 2) return kFloorLufs;
  return std::max(kFloorLufs, loudness_lufs(wave, kFigureRate));
}

std::vector<float> at_loudness(std::vector<float> wave, double lufs) {
  const double now = gated_lufs(wave);
  if (now <= kFloorLufs + 1) return wave;
  const auto gain = static_cast<float>(std::pow(10, (lufs - now) / 20));
  for (float& x : wave) x *= gain;
  return wave;
}

AccompanimentFeatures accompaniment_features(std::span<const float> wave) {
  AccompanimentFeatures features;
  const Spectrogram spectra = spectrogram(wave);
  features.frames = spectra.frames;
  for (const float rms : spectra.rms) features.level_db.push_back(20 * std::log10(rms + 1e-9f));
  features.lufs = gated_lufs(wave);
  measure_silence(features);
  measure_noise(spectra, features);
  if (std::ranges::any_of(wave, [](float x) { return std::abs(x) > 1e-4f; }))
    features.tuning = spectral_tuning(spectra);
  // Filters move by less than a bin, the rest is a matter of whole bins.
  const double bins = features.tuning * kThirds, whole = std::nearbyint(bins);
  features.constant_q = constant_q(wave, bins - whole);
  move_rows(features.constant_q, features.frames, static_cast<int>(whole));
  features.chroma = folded(features.constant_q, features.frames);
  return features;
}

AccompanimentFeatures rolled(AccompanimentFeatures features, double later_s) {
  const auto frames = static_cast<ptrdiff_t>(features.frames);
  const auto by = static_cast<ptrdiff_t>(std::nearbyint(later_s * kFigureFps)) % frames;
  const auto roll = [by](auto begin, auto end) { std::rotate(begin, end - by, end); };
  for (auto* rows : {&features.constant_q, &features.chroma, &features.level_db}) {
    for (auto row = rows->begin(); row != rows->end(); row += frames) roll(row, row + frames);
  }
  return features;
}

std::vector<double> rolled_beats(std::vector<double> beats, double later_s, double length_s) {
  for (double& beat : beats) beat = std::fmod(beat + later_s, length_s);
  std::ranges::sort(beats);
  return beats;
}

AccompanimentFeatures louder(AccompanimentFeatures features, double db) {
  for (float& level : features.level_db) level += static_cast<float>(db);
  features.lufs += db;
  measure_silence(features);
  return features;
}

}  // namespace fastsag::dsp
