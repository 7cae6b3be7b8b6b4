#include "dsp/beat_track.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numeric>
#include <ranges>

#include "dsp/fft.h"
#include "dsp/mel_scale.h"
#include "dsp/quantile.h"
#include "dsp/stft.h"

namespace fastsag::dsp {
namespace {

constexpr size_t kBands = 128;
constexpr size_t kLate = 3;  // frames: an onset is seen a frame after, and two windows' halves before it sounds in full
constexpr float kRangeDb = 80;
constexpr size_t kLags = 8 * kFigureRate / kFigureHop;  // 8 s
constexpr double kUsualBpm = 120, kFastestBpm = 320, kTempoOctaves = 1;
constexpr double kTightness = 100;

// [frames][kBands], dB, no more than kRangeDb below the loudest.
std::vector<float> mel_db(const Spectrogram& spectrogram) {
  static const std::vector<MelBand> bands = mel_bands(kBands, kFigureFft, kFigureRate);
  std::vector<float> levels;
  for (size_t k = 0; k < spectrogram.frames; ++k) {
    const auto frame = spectrogram.frame(k);
    for (const auto& [first, weights] : bands) {
      float power = 0;
      for (size_t i = 0; i < weights.size(); ++i) power += weights[i] * frame[first + i] * frame[first + i];
      levels.push_back(10 * std::log10(std::max(power, 1e-10f)));
    }
  }
  const float least = *std::ranges::max_element(levels) - kRangeDb;
  for (float& level : levels) level = std::max(level, least);
  return levels;
}

// In units of its standard deviation, smoothed over a 32nd of a beat to each side.
std::vector<double> local_score(std::span<const float> onsets, int period) {
  const auto count = static_cast<double>(onsets.size());
  const double mean = std::accumulate(onsets.begin(), onsets.end(), 0.0) / count;
  double square = 0;
  for (const float x : onsets) square += (x - mean) * (x - mean);
  const double deviation = std::sqrt(square / (count - 1));
  std::vector<double> score(onsets.size());
  for (int i = 0; i < std::ssize(score); ++i) {
    for (int d = -period; d <= period; ++d) {
      if (i + d < 0 || i + d >= std::ssize(score)) continue;
      const double x = 32.0 * d / period;
      score[static_cast<size_t>(i)] += std::exp(-0.5 * x * x) * onsets[static_cast<size_t>(i + d)] / deviation;
    }
  }
  return score;
}

// Ellis, eq. 3 and 4: the best total of the sequences that end in a frame, and the beat before it.
struct Sequences {
  std::vector<double> total;
  std::vector<int> before;  // -1: none
};

Sequences best_sequences(std::span<const double> score, int period) {
  Sequences best{{score.begin(), score.end()}, std::vector<int>(score.size(), -1)};
  const double least = 0.01 * *std::ranges::max_element(score);
  const int nearest = static_cast<int>(std::nearbyint(period / 2.0));
  bool begun = false;
  for (int i = 0; i < std::ssize(score); ++i) {
    double most = -std::numeric_limits<double>::infinity();
    int from = -1;
    for (int j = i - nearest; j >= std::max(0, i - 2 * period); --j) {
      const double off = std::log(static_cast<double>(i - j) / period);
      const double total = best.total[static_cast<size_t>(j)] - kTightness * off * off;
      if (total > most) most = total, from = j;
    }
    if (from < 0) most = 0;
    best.total[static_cast<size_t>(i)] += most;
    begun = begun || score[static_cast<size_t>(i)] >= least;
    if (begun) best.before[static_cast<size_t>(i)] = from;
  }
  return best;
}

// The last peak of the totals that reaches half of their median.
int last_beat(std::span<const double> total) {
  std::vector<size_t> peaks;
  for (size_t i = 1; i < total.size(); ++i) {
    if (total[i] > total[i - 1] && (i + 1 == total.size() || total[i] >= total[i + 1])) peaks.push_back(i);
  }
  if (peaks.empty()) return static_cast<int>(total.size()) - 1;
  std::vector<double> heights;
  for (const size_t i : peaks) heights.push_back(total[i]);
  std::ranges::sort(heights);
  const double median = quantile(heights, 0.5);
  for (const size_t i : peaks | std::views::reverse) {
    if (total[i] >= 0.5 * median) return static_cast<int>(i);
  }
  return static_cast<int>(peaks.back());
}

// Half the root mean square of the score at beats, smoothed over five of them.
double edge_threshold(std::span<const double> score, std::span<const int> beats) {
  constexpr double kWeights[] = {0.5, 1, 0.5};
  double square = 0;
  for (int i = -1; i <= std::ssize(beats); ++i) {
    double sum = 0;
    for (int d = -1; d <= 1; ++d) {
      if (i + d < 0 || i + d >= std::ssize(beats)) continue;
      sum += kWeights[d + 1] * score[static_cast<size_t>(beats[static_cast<size_t>(i + d)])];
    }
    square += sum * sum;
  }
  return 0.5 * std::sqrt(square / static_cast<double>(beats.size() + 2));
}

}  // namespace

std::vector<float> onset_strength(const Spectrogram& spectrogram) {
  const auto levels = mel_db(spectrogram);
  std::vector<float> onsets(spectrogram.frames), rise(kBands);
  for (size_t k = kLate; k < onsets.size(); ++k) {
    const auto after = levels.begin() + static_cast<ptrdiff_t>((k - kLate + 1) * kBands);
    for (size_t band = 0; band < kBands; ++band) {
      const auto at = after + static_cast<ptrdiff_t>(band);
      rise[band] = std::max(0.0f, *at - *(at - static_cast<ptrdiff_t>(kBands)));
    }
    std::ranges::nth_element(rise, rise.begin() + kBands / 2);
    onsets[k] = (rise[kBands / 2] + *std::max_element(rise.begin(), rise.begin() + kBands / 2)) / 2;
  }
  return onsets;
}

double tempo_bpm(std::span<const float> onset_strength) {
  if (std::ranges::all_of(onset_strength, [](float x) { return x == 0; })) return 0;
  constexpr int kFft = 720;  // > 2 kLags, so that nothing wraps
  const auto window = periodic_hann(kLags);
  std::vector<float> padded(onset_strength.size() + kLags);
  std::ranges::copy(onset_strength, padded.begin() + kLags / 2);
  for (size_t i = 0; i < kLags / 2; ++i) {  // the edges slope down to nothing
    const float part = static_cast<float>(i) / static_cast<float>(kLags / 2);
    padded[i] = onset_strength.front() * part;
    padded[padded.size() - 1 - i] = onset_strength.back() * part;
  }
  const Fft fft(kFft);
  std::vector<float> frame(kFft), correlation(kFft);
  std::vector<std::complex<float>> spectrum(static_cast<size_t>(fft.bins()));
  std::vector<double> mean(kLags);
  for (size_t k = 0; k < onset_strength.size(); ++k) {
    for (size_t i = 0; i < kLags; ++i) frame[i] = padded[k + i] * window[i];
    fft.forward(frame, spectrum);
    for (auto& value : spectrum) value = std::norm(value);
    fft.inverse(spectrum, correlation);
    if (correlation[0] < 1e-30f) continue;
    for (size_t i = 0; i < kLags; ++i) mean[i] += static_cast<double>(correlation[i] / correlation[0]);
  }
  double best = 0, most = -std::numeric_limits<double>::infinity();
  for (size_t lag = 1; lag < kLags; ++lag) {
    const double bpm = 60 * kFigureFps / static_cast<double>(lag);
    if (bpm >= kFastestBpm) continue;
    const double octaves = std::log2(bpm / kUsualBpm) / kTempoOctaves;
    const double average = std::max(0.0, mean[lag]) / static_cast<double>(onset_strength.size());
    const double likely = std::log1p(1e6 * average) - 0.5 * octaves * octaves;
    if (likely > most) most = likely, best = bpm;
  }
  return best;
}

std::vector<double> track_beats(std::span<const float> onset_strength) {
  const double bpm = tempo_bpm(onset_strength);
  if (bpm <= 0) return {};
  const auto period = static_cast<int>(std::nearbyint(60 * kFigureFps / bpm));
  const auto score = local_score(onset_strength, period);
  const auto sequences = best_sequences(score, period);
  std::vector<int> beats;
  for (int at = last_beat(sequences.total); at >= 0; at = sequences.before[static_cast<size_t>(at)])
    beats.push_back(at);
  std::ranges::reverse(beats);
  // Nothing before the first and after the last frame that scores like a beat.
  const double least = edge_threshold(score, beats);
  const auto strong = [&](double x) { return x > least; };
  const auto first = std::ranges::find_if(score, strong) - score.begin();
  const auto last = std::ssize(score) - 1 -
                    (std::ranges::find_if(score | std::views::reverse, strong) - (score | std::views::reverse).begin());
  std::vector<double> seconds;
  for (const int beat : beats) {
    if (beat >= first && beat <= last) seconds.push_back(beat / kFigureFps);
  }
  return seconds;
}

}  // namespace fastsag::dsp
