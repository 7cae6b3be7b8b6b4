#include "daemon/eval_music.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <span>

#include "daemon/join_meter.h"
#include "dsp/accompaniment_figures.h"
#include "dsp/clarity.h"
#include "dsp/error.h"
#include "dsp/quantile.h"
#include "dsp/spectrogram.h"

namespace fastsag::daemon {
namespace {

using dsp::AccompanimentFeatures;
using dsp::kNoFigure;

enum Who : size_t { kOurs, kTrue, kRolled, kOther, kSilence, kVoice };  // kContenders

std::vector<float> fitted(std::vector<float> wave, size_t size) {
  wave.resize(size);
  return wave;
}

// One clip's voice and truth, and what is asked of everything that could accompany it.
class Judge {
 public:
  explicit Judge(const MusicClip& clip)
      : clip_(clip),
        size_(clip.voice.empty() ? clip.truth.size() : clip.voice.size()),
        sung_(dsp::sung_pitch(clip.voice_24k)),
        truth_wave_(fitted(clip.truth, size_)),
        truth_(dsp::accompaniment_features(truth_wave_)),
        truth_beats_(dsp::beats_of(truth_wave_)),
        sung_first_(dsp::between(sung_, 0, seconds() / 2)),
        sung_second_(dsp::between(sung_, seconds() / 2, seconds() + 1)),
        beats_(dsp::reference_beats(clip.voice, truth_wave_)) {}

  size_t size() const { return size_; }
  double seconds() const { return static_cast<double>(size_) / dsp::kFigureRate; }

  MusicFigures of(const std::vector<float>& wave) const {
    return of(wave, dsp::accompaniment_features(wave), dsp::beats_of(wave));
  }
  MusicFigures of_truth() const { return of(truth_wave_, truth_, truth_beats_); }
  MusicFigures of_truth_rolled() const {
    const double later_s = dsp::kRollShare * seconds();
    std::vector<float> wave = truth_wave_;
    std::ranges::rotate(wave, wave.end() - static_cast<ptrdiff_t>(dsp::kRollShare * static_cast<double>(size_)));
    MusicFigures figures = of(wave, dsp::rolled(truth_, later_s), dsp::rolled_beats(truth_beats_, later_s, seconds()));
    figures[kSeam] = kNoFigure;  // has a join of its own
    return figures;
  }
  // As loud as the truth: another song's level says nothing.
  MusicFigures of_other(const std::vector<float>& song) const {
    const auto wave = fitted(song, size_);
    const auto features = dsp::accompaniment_features(wave);
    return of(wave, dsp::louder(features, truth_.lufs - features.lufs), dsp::beats_of(wave));
  }

 private:
  MusicFigures of(std::span<const float> wave, const AccompanimentFeatures& features,
                  const std::vector<double>& beats) const {
    const auto fit = dsp::harmony(features, sung_);
    const auto first = dsp::harmony(features, sung_first_), second = dsp::harmony(features, sung_second_);
    const double louder = dsp::gated_lufs(wave.subspan(size_ / 2)) - dsp::gated_lufs(wave.first(size_ / 2));
    MusicFigures figures;
    figures[kCons3X] = fit.cons3_x;
    figures[kTriadX] = fit.triad_x;
    figures[kDoubled] = fit.doubled;
    figures[kChroma] = dsp::chroma_correlation(features, truth_);
    figures[kBeatF] = dsp::beat_f(beats, beats_);
    figures[kFlat] = features.flat;
    figures[kPeak] = features.peak;
    const dsp::Clarity clear = dsp::clarity(wave);
    figures[kHnr] = clear.hnr;
    figures[kAttack] = clear.attack;
    figures[kSilent] = features.silent;
    figures[kLufs] = features.lufs;
    figures[kSeam] = seam(wave);
    figures[kRealTimeFactor] = kNoFigure;
    figures[kDriftCons3X] = second.cons3_x - first.cons3_x;
    figures[kDriftLufs] = louder;
    return figures;
  }

  double seam(std::span<const float> wave) const {
    if (clip_.joins_s.empty()) return kNoFigure;
    JoinMeter meter(dsp::kFigureRate);
    for (const double join_s : clip_.joins_s) meter.join(std::llround(join_s * dsp::kFigureRate));
    meter.add(wave);
    const JoinFigure figure = meter.figure();
    return figure.joins > 0 && figure.elsewhere > 0 ? figure.ratio() : kNoFigure;
  }

  const MusicClip& clip_;
  size_t size_;
  dsp::SungPitch sung_;
  std::vector<float> truth_wave_;
  AccompanimentFeatures truth_;
  std::vector<double> truth_beats_;
  dsp::SungPitch sung_first_, sung_second_;  // its halves
  std::vector<double> beats_;                // those that beats are held against
};

MusicFigures unknown() {
  MusicFigures figures;
  figures.fill(kNoFigure);
  return figures;
}

// Of the values that are known, value(0) .. value(count - 1).
template <class Value>
std::pair<double, int64_t> known_mean(size_t count, const Value& value) {
  double sum = 0;
  int64_t known = 0;
  for (size_t i = 0; i < count; ++i) {
    if (const double x = value(i); !std::isnan(x)) sum += x, ++known;
  }
  return {known > 0 ? sum / static_cast<double>(known) : kNoFigure, known};
}

MusicFigures mean_of(const std::vector<MusicFigures>& all) {
  MusicFigures mean;
  for (size_t i = 0; i < mean.size(); ++i) mean[i] = known_mean(all.size(), [&](size_t k) { return all[k][i]; }).first;
  return mean;
}

}  // namespace

void MusicTable::add(const MusicClip& clip) {
  if (clip.truth.empty() || clip.ours.empty()) throw Error(clip.name + " has no sound to compare");
  const Judge judge(clip);
  std::array<MusicFigures, kContenders.size()> rows;
  rows.fill(unknown());
  rows[kOurs] = judge.of(fitted(clip.ours, judge.size()));
  rows[kOurs][kRealTimeFactor] = clip.real_time_factor.value_or(kNoFigure);
  rows[kTrue] = judge.of_truth();
  rows[kRolled] = judge.of_truth_rolled();
  std::vector<MusicFigures> others;
  for (const auto& song : clip.others) others.push_back(judge.of_other(song));
  rows[kOther] = mean_of(others);
  rows[kSilence] = judge.of(std::vector<float>(judge.size()));
  if (!clip.voice.empty()) rows[kVoice] = judge.of(clip.voice);
  so_far_.clips.emplace_back(clip.name, rows);
  so_far_.seconds += judge.seconds();
}

MusicReport MusicTable::report(int resamples, uint64_t seed) const {
  MusicReport report = so_far_;
  report.resamples = resamples;
  const size_t count = report.clips.size();
  std::mt19937_64 random(seed);
  std::vector<std::vector<size_t>> draws(static_cast<size_t>(resamples), std::vector<size_t>(count));
  for (auto& draw : draws) {
    for (size_t& clip : draw) clip = random() % count;
  }
  for (size_t who = 0; who < kContenders.size(); ++who) {
    for (size_t figure = 0; figure < kMusicFigures.size(); ++figure) {
      MeanFigure& mean = report.rows[who][figure];
      const auto value = [&](size_t clip) { return report.clips[clip].second[who][figure]; };
      const auto [over_clips, clips] = known_mean(count, value);
      mean.clips = clips;
      if (clips == 0) continue;
      mean.mean = over_clips;
      if (clips < 2) continue;
      std::vector<double> means;
      for (const auto& draw : draws) {
        const auto [drawn, known] = known_mean(count, [&](size_t k) { return value(draw[k]); });
        if (known > 0) means.push_back(drawn);
      }
      if (means.size() < 2) continue;
      std::ranges::sort(means);
      mean.interval = std::pair(dsp::quantile(means, 0.025), dsp::quantile(means, 0.975));
    }
  }
  return report;
}

}  // namespace fastsag::daemon
