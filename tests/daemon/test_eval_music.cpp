#include "daemon/eval_music.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "daemon/eval_report.h"
#include "dsp/error.h"
#include "dsp/resampler.h"
#include "dsp/spectrogram.h"
#include "tests/support/error_of.h"
#include "tests/support/sung.h"

namespace fastsag::daemon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kBeat = 0.5, kSeconds = 8;

// Chords of struck strings on every beat, one chord for four of them, moved by `semitones`.
std::vector<float> chords(double semitones, double level = 0.05) {
  constexpr double kChords[4][3] = {{48, 52, 55}, {45, 48, 52}, {41, 45, 48}, {43, 47, 50}};  // C a F G
  std::vector<float> wave(static_cast<size_t>(kSeconds * dsp::kFigureRate));
  for (size_t i = 0; i < wave.size(); ++i) {
    const double t = static_cast<double>(i) / dsp::kFigureRate, since = std::fmod(t, kBeat);
    for (const double key : kChords[static_cast<size_t>(t / (4 * kBeat)) % 4]) {
      const double hz = 440 * std::exp2((key + semitones - 69) / 12);
      for (int h = 1; h <= 4; ++h)
        wave[i] +=
            static_cast<float>(level / h * std::exp(-3 * since) * std::sin(2 * std::numbers::pi * hz * h * since));
    }
  }
  return wave;
}

// A voice that sings a note of the chord on every beat.
std::vector<float> voice_24k() {
  constexpr double kMelody[16] = {60, 64, 67, 64, 69, 64, 60, 64, 65, 69, 72, 69, 67, 71, 74, 71};
  std::vector<test::SungNote> notes;
  for (int i = 0; i < 16; ++i) notes.push_back({i * kBeat, 0.42, kMelody[i]});
  return test::sung(notes, kSeconds);
}

MusicClip clip(const std::string& name, std::vector<float> ours) {
  MusicClip made{.name = name, .truth = chords(0), .ours = std::move(ours), .voice_24k = voice_24k()};
  made.voice = dsp::resample(made.voice_24k, 24000, dsp::kFigureRate);
  made.others = {chords(6)};
  return made;
}

double figure(const MusicReport& report, const std::string& who, const std::string& name) {
  const auto row = std::ranges::find(kContenders, who) - kContenders.begin();
  const auto column = std::ranges::find(kMusicFigures, name) - kMusicFigures.begin();
  const MeanFigure& mean = report.rows[static_cast<size_t>(row)][static_cast<size_t>(column)];
  return mean.clips > 0 ? mean.mean : NAN;
}

class Music : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    MusicTable table;
    MusicClip first = clip("truth itself", chords(0)), second = clip("nothing", std::vector<float>(1000));
    first.real_time_factor = 0.1;
    table.add(first);
    table.add(second);
    report = table.report(200, 1);
  }
  static MusicReport report;
};
MusicReport Music::report;

TEST_F(Music, TheTruthFitsItsVoiceAndTheControlsDoNot) {
  // Every sung note is in its chord: 1 minus 3 members of 12.
  EXPECT_NEAR(figure(report, "true", "triad_x"), 0.75, 0.08);
  EXPECT_GT(figure(report, "true", "cons3_x"), 0.5);
  EXPECT_NEAR(figure(report, "true", "ch_cor"), 1, 1e-6);
  EXPECT_GT(figure(report, "true", "beatF"), 0.9);
  for (const char* control : {"true, rolled by 37 %", "another song's", "silence"}) {
    EXPECT_LT(figure(report, control, "cons3_x"), 0.3) << control;
    EXPECT_LT(figure(report, control, "ch_cor"), 0.5) << control;
  }
  EXPECT_EQ(figure(report, "silence", "silent"), 1);
  EXPECT_EQ(figure(report, "silence", "lufs"), -70);
  EXPECT_EQ(figure(report, "silence", "beatF"), 0);
  EXPECT_TRUE(std::isnan(figure(report, "silence", "flat")));
  EXPECT_NEAR(figure(report, "another song's", "lufs"), figure(report, "true", "lufs"), 0.1);  // made as loud
  EXPECT_GT(figure(report, "the voice itself", "dbl"), 0.9);                                   // a copy is found out
  EXPECT_LT(figure(report, "true", "dbl"), 0.1);
}

TEST_F(Music, MeansAreOverTheClipsThatHaveTheFigure) {
  const auto json = to_json(report);
  EXPECT_EQ(json["rows"][0]["accompaniment"], "ours");
  EXPECT_EQ(json["rows"][0]["rtf"]["clips"], 1);
  EXPECT_EQ(json["rows"][0]["rtf"]["mean"], 0.1);
  EXPECT_FALSE(json["rows"][0]["rtf"].contains("interval95"));
  EXPECT_EQ(json["rows"][0]["flat"]["clips"], 1);  // the silent one has none
  EXPECT_EQ(json["rows"][0]["silent"]["clips"], 2);
  // Half of it is silence: the interval reaches from all to nothing.
  EXPECT_EQ(json["rows"][0]["silent"]["interval95"][1], 1);
  EXPECT_TRUE(json["clips"][1]["ours"]["flat"].is_null());
  const std::string words = to_markdown(report);
  EXPECT_THAT(words, HasSubstr("2 clips, 16 s"));
  EXPECT_THAT(words, HasSubstr("| rtf |"));
  EXPECT_THAT(words, HasSubstr("95 % of 200 resamples"));
  for (const char* who : kContenders) EXPECT_THAT(words, HasSubstr("| " + std::string(who) + " |"));
}

TEST(MusicTable, IsTheSameForTheSameSeedAndSaysWhatItCannotSay) {
  MusicTable table;
  MusicClip unsung{.name = "unsung", .truth = chords(0), .ours = chords(1)};
  table.add(unsung);
  const MusicReport report = table.report(0, 1);
  EXPECT_TRUE(std::isnan(figure(report, "ours", "cons3_x")));
  EXPECT_GT(figure(report, "ours", "beatF"), 0.9);  // against the truth's own beats
  EXPECT_THAT(to_markdown(report), AllOf(Not(HasSubstr("seam |")), Not(HasSubstr("rtf |")), Not(HasSubstr("95 %"))));
  EXPECT_THAT(test::error_of([&] { table.add({.name = "void"}); }), HasSubstr("void has no sound"));
}

TEST(MusicTable, DriftIsTheSecondHalfMinusTheFirst) {
  MusicTable table;
  std::vector<float> ours = chords(0);
  const std::vector<float> wrong = chords(1);
  for (size_t i = ours.size() / 2; i < ours.size(); ++i) ours[i] = wrong[i] / 2;  // out of key and 6 dB softer
  table.add(clip("tires", ours));
  const MusicReport report = table.report(0, 1);
  EXPECT_NEAR(figure(report, "ours", "drift_lufs"), -6, 0.5);
  EXPECT_LT(figure(report, "ours", "drift_cons3_x"), -0.3);
  EXPECT_NEAR(figure(report, "true", "drift_lufs"), 0, 1);
}

TEST(MusicTable, TheSeamScoreHearsWindowsThatDoNotMeet) {
  std::vector<float> steady = chords(0);
  for (size_t i = 0; i < steady.size(); ++i) {  // no strikes: what jumps is a join
    const double t = static_cast<double>(i) / dsp::kFigureRate;
    steady[i] = 0.1f * static_cast<float>(std::sin(2 * std::numbers::pi * 220 * t) + 0.01 * std::sin(1e9 * t * t));
  }
  MusicClip smooth = clip("smooth", steady), cut = clip("cut", steady);
  for (double at = 1; at < kSeconds; ++at) {
    smooth.joins_s.push_back(at);
    const auto from = static_cast<size_t>(at * dsp::kFigureRate);
    for (size_t i = from; i < from + 600; ++i) cut.ours[i] = 0;  // 27 ms of nothing
  }
  cut.joins_s = smooth.joins_s;
  for (const auto& [made, low, high] : {std::tuple{smooth, 0.5, 1.5}, std::tuple{cut, 2.0, 1e6}}) {
    MusicTable table;
    table.add(made);
    const double seam = figure(table.report(0, 1), "ours", "seam");
    EXPECT_GT(seam, low) << made.name;
    EXPECT_LT(seam, high) << made.name;
  }
}

TEST(EvalRemarks, AreToldInBothFormats) {
  const std::vector<EvalRemark> remarks = {{"a", "is broken"}, {"b", "is silent", false}};
  EXPECT_THAT(to_markdown(remarks),
              AllOf(HasSubstr("* a is left out: is broken\n"), HasSubstr("* b is used: is silent\n")));
  EXPECT_EQ(to_json(remarks)[1]["left_out"], false);
  EXPECT_EQ(to_markdown(std::vector<EvalRemark>()), "");
}

}  // namespace
}  // namespace fastsag::daemon
