#include "dsp/accompaniment_figures.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "dsp/constant_q.h"
#include "dsp/spectrogram.h"
#include "tests/support/sung.h"

namespace fastsag::dsp {
namespace {

using ::testing::IsEmpty;

constexpr int kSeconds = 8;
constexpr double kChords[4][3] = {{48, 52, 55}, {45, 48, 52}, {41, 45, 48}, {43, 47, 50}};
constexpr size_t kMelody[4] = {0, 2, 1, 2};

double hz_of(double key) { return 440 * std::exp2((key - 69) / 12); }

// As make_score_golden.py makes them.
struct Formula {
  double beat, detuning, noise, transposition, until;

  static double noise_at(uint64_t i) {
    uint64_t z = i + 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return static_cast<double>((z ^ z >> 31) >> 11) * 0x1p-52 - 1;
  }
  std::vector<float> accompaniment() const {
    std::vector<float> wave(kSeconds * kFigureRate);
    for (size_t i = 0; i < wave.size(); ++i) {
      const double t = static_cast<double>(i) / kFigureRate;
      if (t >= until) break;
      const double number = std::floor(t / beat), since = t - number * beat;
      double x = noise * noise_at(i);
      for (const double member : kChords[static_cast<size_t>(number) / 4 % 4]) {
        const double turns = hz_of(member + detuning + transposition) * since;
        for (int partial = 1; partial <= 4; ++partial)
          x += 0.05 / partial * std::exp(-3 * since) * std::sin(2 * std::numbers::pi * partial * turns);
      }
      wave[i] = static_cast<float>(x);
    }
    return wave;
  }
  double sung_key(double t) const {
    const auto number = static_cast<size_t>(std::floor(t / beat));
    return kChords[number / 4 % 4][kMelody[number % 4]] + 12 + detuning;
  }
  double since_beat(double t) const { return t - std::floor(t / beat) * beat; }
  std::vector<float> voice() const {
    std::vector<float> wave(kSeconds * kFigureRate);
    for (size_t i = 0; i < wave.size(); ++i) {
      const double t = static_cast<double>(i) / kFigureRate, since = since_beat(t);
      if (since >= 0.8 * beat) continue;
      double x = 0;
      for (int h = 1; h <= 5; ++h)
        x += 0.1 / h * std::sin(2 * std::numbers::pi * h * hz_of(sung_key(t)) * since) * std::min(1.0, since / 0.02);
      wave[i] = static_cast<float>(x);
    }
    return wave;
  }
  SungPitch sung() const {
    SungPitch sung;
    for (int i = 0; i < kSeconds * 50; ++i) {
      const double t = i * 0.02;
      if (since_beat(t) >= 0.8 * beat) continue;
      sung.seconds.push_back(t);
      sung.hz.push_back(hz_of(sung_key(t)));
    }
    return sung;
  }
};

// Features agree to a part in a hundred, so single frames whose strongest classes are nearly equal may differ.
constexpr double kShare = 0.01;

TEST(AccompanimentFigures, AgreeWithTheYardstickOfDevelopment) {
  std::ifstream in(std::string(FASTSAG_SOURCE) + "/tests/dsp/score_figures.json");
  const auto clips = nlohmann::json::parse(in);
  ASSERT_EQ(clips.size(), 7);
  for (const auto& golden : clips) {
    SCOPED_TRACE(golden["name"].get<std::string>() + " against " + golden["truth"].get<std::string>());
    const auto& expected = golden["figures"];
    const Formula clip{golden["beat"], golden["detuning"], golden["noise"], golden["transposition"], golden["until"]};
    const auto& t = golden["truth_values"];
    const Formula truth{t[0], t[1], t[2], t[3], t[4]};
    const auto wave = clip.accompaniment(), truth_wave = truth.accompaniment();
    const auto features = accompaniment_features(wave), truth_features = accompaniment_features(truth_wave);
    EXPECT_NEAR(features.tuning, expected["tuning"].get<double>(), 0.0101);  // a bin of its histogram
    EXPECT_NEAR(features.silent, expected["silent"].get<double>(), 1e-5);
    EXPECT_NEAR(features.lufs, expected["lufs"].get<double>(), 0.2);  // another design of the same filter
    EXPECT_NEAR(features.flat, expected["flat"].get<double>(), 0.01);
    EXPECT_NEAR(features.peak, expected["peak"].get<double>(), 0.1);
    EXPECT_NEAR(chroma_correlation(features, truth_features), expected["ch_cor"].get<double>(), kShare);

    const auto fit = harmony(features, truth.sung());
    for (const auto& [name, value] : {std::pair{"cons1", fit.cons1},
                                      {"cons1_x", fit.cons1_x},
                                      {"cons3", fit.cons3},
                                      {"cons3_x", fit.cons3_x},
                                      {"triad", fit.triad},
                                      {"triad_x", fit.triad_x},
                                      {"dbl", fit.doubled}}) {
      EXPECT_NEAR(value, expected[name].get<double>(), kShare) << name;
    }

    const auto beats = beats_of(wave), reference = reference_beats(truth.voice(), truth_wave);
    ASSERT_EQ(beats.size(), expected["beats"].size());
    for (size_t i = 0; i < beats.size(); ++i) EXPECT_NEAR(beats[i], expected["beats"][i].get<double>(), 1e-4);
    EXPECT_EQ(reference.size(), expected["reference_beats"].size());
    EXPECT_NEAR(beat_f(beats, reference), expected["beatF"].get<double>(), 1e-4);

    const double later_s = kRollShare * kSeconds;
    const auto moved = rolled(features, later_s);
    EXPECT_NEAR(chroma_correlation(moved, truth_features), expected["rolled"]["ch_cor"].get<double>(), kShare);
    EXPECT_NEAR(harmony(moved, truth.sung()).cons3_x, expected["rolled"]["cons3_x"].get<double>(), kShare);
    EXPECT_NEAR(beat_f(rolled_beats(beats, later_s, kSeconds), reference), expected["rolled"]["beatF"].get<double>(),
                1e-4);
  }
}

TEST(AccompanimentFigures, OfSilenceAreNothing) {
  const Formula plain{0.5, 0, 0, 0, 8};
  const std::vector<float> silence(kSeconds * kFigureRate);
  const auto features = accompaniment_features(silence);
  EXPECT_EQ(features.silent, 1);
  EXPECT_EQ(features.lufs, kFloorLufs);
  EXPECT_TRUE(std::isnan(features.flat));
  EXPECT_EQ(harmony(features, plain.sung()).cons3, 0);
  EXPECT_TRUE(std::isnan(harmony(features, {}).cons3));  // nobody sings: nothing to judge
  EXPECT_EQ(chroma_correlation(features, accompaniment_features(plain.accompaniment())), 0);
  EXPECT_THAT(beats_of(silence), IsEmpty());
  EXPECT_THAT(sung_pitch(silence).hz, IsEmpty());
  EXPECT_THAT(sung_pitch({}).hz, IsEmpty());
  EXPECT_EQ(accompaniment_features(std::vector<float>(1)).frames, 1);
}

TEST(AccompanimentFigures, LouderIsTheSameSoundButForItsLevel) {
  const auto features = accompaniment_features(Formula{0.5, 0, 0, 0, 8}.accompaniment());
  const auto soft = louder(features, -30);
  EXPECT_NEAR(soft.lufs, features.lufs - 30, 1e-9);
  EXPECT_GT(soft.silent, features.silent);
  EXPECT_EQ(soft.chroma, features.chroma);
}

TEST(BeatF, CountsEachBeatOnce) {
  const std::vector<double> reference = {1, 2, 3, 4};
  EXPECT_EQ(beat_f(reference, reference), 1);
  EXPECT_EQ(beat_f(std::vector{1.06, 1.94, 3.0, 3.92}, reference), 0.75);    // 80 ms is too much
  EXPECT_EQ(beat_f(std::vector{0.95, 1.05}, reference), 2.0 * 1 / (2 + 4));  // two beats for one
  EXPECT_EQ(beat_f({}, reference), 0);
  EXPECT_TRUE(std::isnan(beat_f(reference, std::vector{1.0})));
}

TEST(SungPitchTest, IsOfTheVoicedFramesOnly) {
  const auto voice = test::sung(std::vector<test::SungNote>{{0.5, 1, 60}, {2, 1, 64}}, 4);
  const auto sung = sung_pitch(voice);
  EXPECT_NEAR(sung.voiced, 0.5, 0.04);  // 2 s of 4
  ASSERT_FALSE(sung.hz.empty());
  EXPECT_NEAR(sung.seconds.front(), 0.5, 0.04);
  for (size_t i = 0; i < sung.hz.size(); ++i) {
    const double key = 69 + 12 * std::log2(sung.hz[i] / 440);
    EXPECT_NEAR(key, sung.seconds[i] < 1.75 ? 60 : 64, 0.5) << sung.seconds[i];
  }
  const auto second = between(sung, 1.75, 4);
  EXPECT_NEAR(second.seconds.front(), 2, 0.04);
}

TEST(ConstantQ, HearsASineInItsOwnBin) {
  for (const int bin : {0, 100, 215}) {
    std::vector<float> wave(4 * kFigureRate);
    for (size_t i = 0; i < wave.size(); ++i) {
      const double hz = hz_of(kConstantQFirstKey + bin / 3.0);
      wave[i] = static_cast<float>(std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / kFigureRate));
    }
    const auto magnitude = constant_q(wave);
    const size_t frames = figure_frames(wave.size());
    ASSERT_EQ(magnitude.size(), kConstantQBins * frames);
    const auto at = [&](int b) { return magnitude[static_cast<size_t>(b) * frames + frames / 2]; };
    const double length = 51.9 * kFigureRate / hz_of(kConstantQFirstKey + bin / 3.0);
    EXPECT_NEAR(at(bin) / (std::sqrt(length) / 2), 1, 0.01);  // amplitude 1: half in positive frequencies
    for (int other = 0; other < kConstantQBins; ++other) {
      if (other != bin) {
        EXPECT_LT(at(other), at(bin)) << other;
      }
    }
  }
}

}  // namespace
}  // namespace fastsag::dsp
