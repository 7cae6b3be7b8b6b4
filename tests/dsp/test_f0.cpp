#include "dsp/f0.h"

#include <fstream>
#include <numeric>
#include <tuple>

#include "dsp/resampler.h"
#include "tests/support/audio.h"
#include "tests/support/shared.h"
#include "tests/support/sung.h"

namespace fastsag::dsp {
namespace {

using test::SungNote;

double cents(double hz, double reference) { return 1200 * std::abs(std::log2(hz / reference)); }

// Share of the inner frames of one held note that are more than 50 cents off, or unvoiced.
double gross_errors(double hz, double noise_db) {
  const SungNote note{0.2, 0.8, 69 + 12 * std::log2(hz / 440)};
  const auto frames = track_f0(test::sung(std::span(&note, 1), 1.2, {.noise_db = noise_db}));
  int wrong = 0;
  for (size_t k = 24; k < 96; ++k) wrong += frames[k].hz <= 0 || cents(frames[k].hz, hz) > 50;
  return wrong / 72.0;
}

TEST(F0, FindsEveryPitchOfItsRange) {
  std::mt19937 random(7);
  std::uniform_real_distribution<double> octaves(std::log2(65.0), std::log2(1050.0));
  for (int i = 0; i < 40; ++i) {
    const double hz = std::exp2(octaves(random));
    EXPECT_EQ(gross_errors(hz, -200), 0) << hz << " Hz, clean";
    EXPECT_LE(gross_errors(hz, -15), 0.03) << hz << " Hz with noise 15 dB below the tone's amplitude";
  }
}

// A tenth of a semitone is what a trained ear hears; the tuning estimate needs better.
TEST(F0, IsExactToAFewCents) {
  for (const double hz : {82.4, 146.8, 220.0, 440.0, 880.0}) {
    const SungNote note{0, 1, 69 + 12 * std::log2(hz / 440)};
    const auto frames = track_f0(test::sung(std::span(&note, 1), 1));
    for (size_t k = 5; k < 95; ++k) EXPECT_LT(cents(frames[k].hz, hz), 5) << hz;
  }
}

// A slide of a fifth in 100 ms moves 0.7 semitones a frame; the analysis spans 26 ms and more: a semitone is allowed.
TEST(F0, FollowsVibratoAndSlides) {
  const SungNote notes[] = {{0.1, 0.5, 57}, {0.6, 0.6, 64}};
  const auto frames = track_f0(test::sung(notes, 1.3, {.vibrato = 0.5, .slide_s = 0.1}));
  int wrong = 0;
  for (size_t k = 14; k < 116; ++k) {
    const double t = static_cast<double>(k) * 0.01 + 0.005, since = t < 0.6 ? t - 0.1 : t - 0.6;
    double pitch = (t < 0.6 ? 57 : 64) + 0.5 * std::sin(2 * std::numbers::pi * 5.5 * since);
    if (t >= 0.6 && t < 0.7) pitch -= 7 * (1 - since / 0.1);
    wrong += std::abs(69 + 12 * std::log2(frames[k].hz / 440) - pitch) > 1.0;
  }
  EXPECT_LE(wrong, 2);
}

// A tone and its fifth repeat together an octave below the tone; steps on a stage are louder than a singer.
TEST(F0, KeepsItsOctaveBesideASecondVoiceAndRumble) {
  const SungNote note{0.1, 0.9, 62}, fifth{0.1, 0.9, 69};
  auto voice = test::sung(std::span(&note, 1), 1.1);
  const auto second = test::sung(std::span(&fifth, 1), 1.1);
  for (size_t i = 0; i < voice.size(); ++i)
    voice[i] +=
        0.2f * second[i] + 0.3f * std::sin(2.0f * std::numbers::pi_v<float> * 25 * static_cast<float>(i) / 24000);
  const auto frames = track_f0(voice);
  const double hz = 440 * std::exp2(-7.0 / 12);
  for (size_t k = 20; k < 90; ++k) EXPECT_LT(cents(frames[k].hz, hz), 50) << k;
}

// A chord that leaks in 24 dB below the voice is no voice, a note as soft as that is one.
TEST(F0, HearsSoftNotesButNoSoftChords) {
  const SungNote loud{0.1, 0.9, 62};
  const auto voiced = [&](std::initializer_list<double> pitches) {
    auto voice = test::sung(std::span(&loud, 1), 2.2);
    for (const double pitch : pitches) {
      const SungNote soft{1.2, 0.9, pitch};
      const auto other = test::sung(std::span(&soft, 1), 2.2);
      for (size_t i = 0; i < voice.size(); ++i) voice[i] += 0.063f * other[i];
    }
    const auto frames = track_f0(voice);
    return std::count_if(frames.begin() + 130, frames.begin() + 200, [](const F0Frame& f) { return f.hz > 0; });
  };
  EXPECT_GE(voiced({60}), 68);
  EXPECT_LE(voiced({48, 55, 63.5, 70}), 35);
}

TEST(F0, CallsSilenceAndNoiseUnvoiced) {
  for (const F0Frame& frame : track_f0(std::vector<float>(24000))) EXPECT_EQ(frame.hz, 0);
  const auto frames = track_f0(test::sung({}, 10, {.noise_db = -6}));
  const auto voiced = std::ranges::count_if(frames, [](const F0Frame& f) { return f.hz > 0; });
  EXPECT_LE(voiced, 20) << "of 1000 frames of white noise";
}

TEST(F0, LevelIsRootMeanSquareInDecibels) {
  EXPECT_NEAR(track_f0(std::vector<float>(2400, 0.1f)).at(3).rms_db, -20, 0.01);
}

// Windows follow each other every second; what they say of the same moment must be the same.
TEST(F0, OverlappingWindowsAgree) {
  std::vector<SungNote> notes;
  std::mt19937 random(3);
  for (double t = 0; t < 11; t += 0.4)
    notes.push_back({t, t > 5 ? 0.3 : 0.4, 50.0 + static_cast<double>(random() % 20)});
  const auto voice = test::sung(notes, 11, {.vibrato = 0.3, .slide_s = 0.05, .noise_db = -25});
  const auto early = track_f0(std::span(voice).first(240000)), late = track_f0(std::span(voice).subspan(24000, 240000));
  int differ = 0;
  for (size_t k = 130; k < 970; ++k) differ += early[k].hz != late[k - 100].hz;
  EXPECT_EQ(differ, 0);
}

// What the last window measured need not be measured again: the same bits, whatever the singer does.
TEST(F0, ARememberedWindowGivesTheSameFrames) {
  std::vector<SungNote> notes;
  std::mt19937 random(4);
  for (double t = 0; t < 14; t += 0.4)
    if (t < 4 || t > 7) notes.push_back({t, 0.35, 50.0 + static_cast<double>(random() % 20)});
  auto voice = test::sung(notes, 14, {.vibrato = 0.3, .slide_s = 0.05, .noise_db = -40});
  for (size_t i = voice.size() / 2; i < voice.size(); ++i) voice[i] *= 0.01f;  // loud, then soft
  F0Memory memory;
  for (const int64_t begin : {0, 24000, 24000 * 2 + 240, 24000 * 3 + 100, 24000 * 3 + 340, 0}) {
    const auto window = std::span(voice).subspan(static_cast<size_t>(begin), 240000);
    const auto remembered = track_f0(window, begin, memory), anew = track_f0(window);
    ASSERT_EQ(remembered.size(), anew.size());
    for (size_t k = 0; k < anew.size(); ++k) {
      ASSERT_EQ(remembered[k].hz, anew[k].hz) << "window at " << begin << ", frame " << k;
      ASSERT_EQ(remembered[k].voicing, anew[k].voicing);
      ASSERT_EQ(remembered[k].rms_db, anew[k].rms_db);
    }
  }
}

TEST(F0, ShortInputsGiveFewFrames) {
  EXPECT_TRUE(track_f0({}).empty());
  EXPECT_TRUE(track_f0(std::vector<float>(239)).empty());
  EXPECT_EQ(track_f0(std::vector<float>(480)).size(), 2u);
}

// A real singer against the annotation (Bittner et al. 2021). Good trackers reach .95 and more here.
TEST(F0, RealSinger) {
  const auto folder = test::shared("data/singing");
  FASTSAG_NEEDS(folder / "vocadito_1_f0.csv");
  const auto audio = test::read_audio(folder / "vocadito_1.flac");
  const auto frames = track_f0(resample(audio.mono, audio.sample_rate, 24000));
  std::ifstream csv(folder / "vocadito_1_f0.csv");
  double t, hz;
  char comma;
  int sung = 0, right = 0, found = 0, silent = 0, false_alarms = 0;
  while (csv >> t >> comma >> hz) {
    const auto k = static_cast<size_t>(t * 100);
    if (k >= frames.size()) break;
    if (hz > 0)
      ++sung, found += frames[k].hz > 0, right += frames[k].hz > 0 && cents(frames[k].hz, hz) <= 50;
    else
      ++silent, false_alarms += frames[k].hz > 0;
  }
  std::printf("raw pitch accuracy %.3f, voicing recall %.3f, false alarm %.3f\n", 1.0 * right / sung,
              1.0 * found / sung, 1.0 * false_alarms / silent);
  EXPECT_GE(right, 0.95 * sung);
  EXPECT_GE(found, 0.95 * sung);
  EXPECT_LE(false_alarms, 0.12 * silent);
}

// Singers with ornaments and slides, one of them over a drone and drum: the plain YIN rule loses most of both.
class OtherSingers : public testing::TestWithParam<std::tuple<const char*, double>> {};
TEST_P(OtherSingers, AreMostlyVoiced) {
  const auto [name, least] = GetParam();
  const auto file = test::shared("data/singing") / (std::string(name) + ".flac");
  FASTSAG_NEEDS(file);
  const auto audio = test::read_audio(file);
  const auto frames = track_f0(resample(audio.mono, audio.sample_rate, 24000));
  const auto voiced = std::ranges::count_if(frames, [](const F0Frame& f) { return f.hz > 0; });
  EXPECT_GE(static_cast<double>(voiced), least * static_cast<double>(frames.size()));
}
INSTANTIATE_TEST_SUITE_P(F0, OtherSingers,
                         testing::Values(std::tuple("carnatic", 0.4), std::tuple("vignesh", 0.85),
                                         std::tuple("singing-female", 0.85), std::tuple("vocadito_10", 0.7),
                                         std::tuple("vocadito_14", 0.7)),
                         [](const auto& test) {
                           std::string name = std::get<0>(test.param);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace fastsag::dsp
