#include "daemon/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "daemon/plan_file.h"
#include "daemon/sound_file.h"
#include "dsp/error.h"
#include "tests/support/audio.h"
#include "tests/support/error_of.h"
#include "tests/support/fake_accompanist.h"

namespace fastsag::daemon {
namespace {

using test::FakeAccompanist;
using testing::HasSubstr;

class Render : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("render_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path sing(int rate, int64_t samples) {
    std::vector<float> voice;
    for (int64_t i = 0; i < samples; ++i)
      voice.push_back(0.2f * static_cast<float>(std::sin(2 * M_PI * 200 * static_cast<double>(i) / rate)));
    SoundWriter writer(folder_ / "voice.wav", rate);
    writer.write(voice);
    writer.finish();
    return folder_ / "voice.wav";
  }
  RenderOptions options(const std::filesystem::path& voice, Mode mode) {
    RenderOptions options;
    options.voice = voice;
    options.mix = folder_ / "mix.wav";
    options.accompaniment = folder_ / "accompaniment.wav";
    options.plan = folder_ / "plan.json";
    options.room.mode = mode;
    return options;
  }
  static std::string bytes(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  std::filesystem::path folder_;
};

TEST_F(Render, IsAsLongAsTheVoiceAndAlignedWithIt) {
  for (const Mode mode : {Mode::delayed, Mode::live}) {
    FakeAccompanist accompanist;
    const auto report = render(accompanist, options(sing(44100, 44100 * 6 + 123), mode));
    const auto mix = test::read_audio(folder_ / "mix.wav"),
               accompaniment = test::read_audio(folder_ / "accompaniment.wav");
    EXPECT_EQ(mix.sample_rate, 44100);
    ASSERT_EQ(mix.mono.size(), 44100u * 6 + 123);
    ASSERT_EQ(accompaniment.mono.size(), mix.mono.size());
    EXPECT_EQ(report.room.gaps + report.room.stale + report.room.dropped, 0) << mode_name(mode);
    ASSERT_EQ(std::ssize(report.join_s), report.room.windows);
    for (size_t i = 1; i < report.join_s.size(); ++i) {  // ascending, and a hop apart at most (to a frame of 10.7 ms)
      EXPECT_GT(report.join_s[i], report.join_s[i - 1]) << mode_name(mode);
      EXPECT_LT(report.join_s[i], report.join_s[i - 1] + 1.011) << mode_name(mode);
    }
    double alone = 0, together = 0;
    for (size_t i = 44100; i < mix.mono.size(); ++i) {
      const double t = static_cast<double>(i) / 44100;
      const double tone = 0.25 * std::sin(2 * M_PI * 440 * t), voice = 0.2 * std::sin(2 * M_PI * 200 * t);
      alone = std::max(alone, std::abs(accompaniment.mono[i] - tone));
      together = std::max(together, std::abs(mix.mono[i] - tone - voice));
    }
    EXPECT_LT(alone, 3e-3) << mode_name(mode) << ": position p at position p";
    EXPECT_LT(together, 3e-3) << mode_name(mode);
  }
}

TEST_F(Render, TwiceTheSameBytes) {
  const auto voice = sing(48000, 48000 * 5);
  FakeAccompanist one(FakeAccompanist::Sound::echo), two(FakeAccompanist::Sound::echo);
  render(one, options(voice, Mode::live));
  const std::string first = bytes(folder_ / "mix.wav") + bytes(folder_ / "plan.json");
  render(two, options(voice, Mode::live));
  EXPECT_TRUE(first == bytes(folder_ / "mix.wav") + bytes(folder_ / "plan.json"));
}

TEST_F(Render, ConvertsRatesThatATimelineCannotHave) {
  FakeAccompanist accompanist;
  render(accompanist, options(sing(11025, 11025 * 3), Mode::delayed));
  const auto mix = test::read_audio(folder_ / "mix.wav");
  EXPECT_EQ(mix.sample_rate, 48000);
  EXPECT_EQ(mix.mono.size(), 48000u * 3);
}

TEST_F(Render, AVoiceShorterThanAWindowIsFine) {
  FakeAccompanist accompanist;
  render(accompanist, options(sing(48000, 100), Mode::delayed));
  EXPECT_EQ(test::read_audio(folder_ / "mix.wav").mono.size(), 100u);
}

TEST_F(Render, ThePlanHoldsEveryNoteOnce) {
  FakeAccompanist accompanist;
  render(accompanist, options(sing(48000, 48000 * 8), Mode::delayed));
  const auto plan = nlohmann::json::parse(bytes(folder_ / "plan.json"));
  // The fake plays one a second.
  ASSERT_GE(plan["notes"].size(), 8u);
  for (size_t i = 0; i < 8; ++i) EXPECT_DOUBLE_EQ(plan["notes"][i][0], static_cast<double>(i));
}

TEST_F(Render, BeatsOfAPlanHaveTheirPlaceInTheBarWhereItIsKnown) {
  model::Plan plan;
  plan.pulse = {.period = 12000, .origin = 6000, .beats_per_bar = 3, .downbeat = 1};
  PlanCollector song;
  WindowEvent window;
  window.plan = std::make_shared<const model::Plan>(plan);
  window.slice_begin = 0, window.slice_end = 48000;
  song.add(window);
  plan.pulse.beats_per_bar = 0;
  window.plan = std::make_shared<const model::Plan>(plan);
  window.slice_begin = 48000, window.slice_end = 72000;
  song.add(window);
  song.write(folder_ / "plan.json");
  const auto written = nlohmann::json::parse(bytes(folder_ / "plan.json"));
  EXPECT_EQ(written["beats"], nlohmann::json::parse("[0.25, 0.75, 1.25, 1.75, 2.25, 2.75]"));
  EXPECT_EQ(written["places"], nlohmann::json::parse("[2, 0, 1, 2, null, null]"));
}

TEST_F(Render, NotesOfAFileReachTheModelAsTheyAre) {
  FakeAccompanist accompanist;
  const auto voice = sing(48000, 48000 * 4);
  render(accompanist, options(voice, Mode::delayed));
  auto again = options(voice, Mode::delayed);
  again.room.score = std::make_shared<const model::Plan>(load_plan(folder_ / "plan.json"));
  ASSERT_GE(again.room.score->notes.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {  // the fake plays half a second at each second
    const auto second = static_cast<int64_t>(i) * model::kSampleRate;
    EXPECT_EQ(again.room.score->notes[i], (model::Note{second, second + model::kSampleRate / 2, 60, 80, 0}));
  }
  render(accompanist, again);
  EXPECT_EQ(accompanist.seen().back().controls.score, again.room.score);
}

TEST_F(Render, GivenNotesArePlayedWhereNobodySings) {
  FakeAccompanist accompanist;
  std::vector<float> silence(48000 * 4);
  SoundWriter writer(folder_ / "silence.wav", 48000);
  writer.write(silence);
  writer.finish();
  auto given = options(folder_ / "silence.wav", Mode::delayed);
  EXPECT_EQ(render(accompanist, given).room.windows, 0);
  given.room.score = std::make_shared<const model::Plan>();
  EXPECT_GE(render(accompanist, given).room.windows, 4);
}

TEST_F(Render, NotesThatCannotBePlayedAreNamed) {
  const auto error = [&](const std::string& text) {
    std::ofstream(folder_ / "notes.json") << text;
    return test::error_of([&] { load_plan(folder_ / "notes.json"); });
  };
  EXPECT_THAT(error("{"), HasSubstr("notes.json is no JSON (parse error at line 1, column 2"));
  EXPECT_THAT(error("[]"), HasSubstr("notes.json has no list \"notes\"; expected what fastsag render --plan writes"));
  EXPECT_THAT(error(R"({"notes": 3})"), HasSubstr("no list \"notes\""));
  EXPECT_THAT(error(R"({"notes": [], "chords": 3})"), HasSubstr("\"chords\" of "));
  EXPECT_THAT(error(R"({"notes": [[0, 1, 60, 80, 0], [1, -2, 60, 80, 0]]})"),
              HasSubstr("number 2 of \"notes\" is [1,-2,60,80,0]; expected [onset_s, duration_s"));
  for (const char* note : {"7", "[]", "[0, 1, 60]", "[-1, 1, 60, 80]", "[0, 1, 128, 80]", "[0, 1, 60.5, 80]",
                           "[0, 1, 60, 0]", "[\"0\", 1, 60, 80]", "[1e300, 1, 60, 80]", "[0, 0, 60, 80]"})
    EXPECT_THAT(error("{\"notes\": [" + std::string(note) + "]}"), HasSubstr("number 1 of \"notes\" is")) << note;
  EXPECT_THAT(error(R"({"notes": [[0, 1, 60, 80, 5]]})"), HasSubstr("expected channel 0 (piano), 1 (bass)"));
  EXPECT_THAT(error(R"({"notes": [], "chords": [[0, "C"], [1, "H"]]})"), HasSubstr("number 2 of \"chords\" is"));
  EXPECT_THAT(test::error_of([&] { load_plan(folder_); }), HasSubstr("cannot read the notes"));
  EXPECT_EQ(error(R"({"notes": [[1, 1, 60, 80], [0, 1, 40, 80, 1]], "key": "Zz", "tempo_bpm": []})"), "");
}

TEST_F(Render, AFailureLeavesNoFile) {
  FakeAccompanist accompanist;
  EXPECT_THROW(render(accompanist, options(folder_ / "none.wav", Mode::delayed)), Error);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

}  // namespace
}  // namespace fastsag::daemon
