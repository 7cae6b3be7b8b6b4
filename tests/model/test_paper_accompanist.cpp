// The paper's form, live, at a size that a test can afford and with weights of the formula: what is written where, what
// was played stays, and what is broken is said.
#include "model/paper/accompanist.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "tests/support/error_of.h"
#include "tests/support/scratch.h"
#include "tests/support/small_paper.h"

namespace fastsag::model {
namespace {

constexpr int64_t kWindow = 10 * kSampleRate;

class PaperAccompanistTest : public testing::Test {
 protected:
  void SetUp() override {
    test::write_small_paper(folder_.path());
    for (size_t i = 0; i < voice_.size(); ++i)
      voice_[i] = 0.2f * std::sin(static_cast<float>(i) * 2 * 3.14159265f * 220 / kSampleRate);
  }
  void write(const std::string& text) const { std::ofstream(folder_ / "small.toml") << text; }
  std::unique_ptr<Accompanist> load() const { return load_accompanist({.preset = folder_ / "small.toml"}); }
  // Ten seconds of voice; one second is written, a second before its end.
  WindowRequest request() const {
    return {.voice = voice_,
            .voice_end = kWindow,
            .write_begin = kWindow - 2 * kSampleRate,
            .write_end = kWindow - kSampleRate,
            .known_end = kWindow - 2 * kSampleRate};
  }
  static std::vector<float> generate(Accompanist& accompanist, const WindowRequest& request) {
    WindowResult result;
    accompanist.generate({&request, 1}, {&result, 1});
    return result.audio;
  }
  static double rms(std::span<const float> wave) {
    double power = 0;
    for (const float x : wave) power += x * x;
    return std::sqrt(power / static_cast<double>(wave.size()));
  }
  std::string error() const {
    return test::error_of([this] { generate(*load(), request()); });
  }

  test::Scratch folder_;
  std::vector<float> voice_ = std::vector<float>(kWindow);
};

TEST_F(PaperAccompanistTest, WritesTheSpanAskedForAndRepeats) {
  const auto accompanist = load();
  accompanist->prepare(1);
  const auto audio = generate(*accompanist, request());
  EXPECT_EQ(std::ssize(audio), kSampleRate);
  EXPECT_GT(rms(audio), 0) << "a voice was heard";
  EXPECT_EQ(audio, generate(*accompanist, request()));
  WindowRequest other = request();
  other.controls.seed = 2;
  EXPECT_NE(audio, generate(*accompanist, other));
}

TEST_F(PaperAccompanistTest, AheadOfTheVoiceToo) {
  const auto accompanist = load();
  WindowRequest live = request();
  live.write_begin = live.known_end = kWindow + kSampleRate / 2;
  live.write_end = kWindow + 3 * kSampleRate;
  const auto audio = generate(*accompanist, live);
  EXPECT_EQ(std::ssize(audio), 5 * kSampleRate / 2);
  EXPECT_GT(rms(audio), 0);
}

TEST_F(PaperAccompanistTest, SilenceAndTheFirstMomentsOfASong) {
  const auto accompanist = load();
  const std::vector<float> silence(kWindow), little(voice_.begin(), voice_.begin() + 4801);
  WindowRequest quiet = request();
  quiet.voice = silence;
  EXPECT_EQ(rms(generate(*accompanist, quiet)), 0) << "silence in, silence out";
  WindowRequest first{.voice = little, .voice_end = 4801, .write_begin = 0, .write_end = 4801};
  EXPECT_EQ(generate(*accompanist, first).size(), 4801u);
}

TEST_F(PaperAccompanistTest, RoomsOfABatchDoNotHearEachOther) {
  const auto accompanist = load();
  std::vector<float> higher(voice_.size());
  for (size_t i = 0; i < higher.size(); ++i)
    higher[i] = 0.1f * std::sin(static_cast<float>(i) * 2 * 3.14159265f * 330 / kSampleRate);
  WindowRequest other = request();
  other.voice = higher;
  const std::vector<float> silence(kWindow);
  WindowRequest quiet = request();
  quiet.voice = silence;
  const std::vector requests = {request(), quiet, other};
  std::vector<WindowResult> results(3);
  accompanist->generate(requests, results);
  const auto alone = generate(*accompanist, request());
  std::vector<float> difference(alone);
  for (size_t i = 0; i < alone.size(); ++i) difference[i] -= results[0].audio[i];
  EXPECT_LT(rms(difference), 0.1 * rms(alone)) << "sums of another order, which phases that hardly sound magnify";
  EXPECT_GT(rms(results[2].audio), 0);
  for (size_t i = 0; i < alone.size(); ++i) difference[i] = alone[i] - results[2].audio[i];
  EXPECT_GT(rms(difference), 0.3 * rms(alone)) << "another voice, another accompaniment";
  EXPECT_EQ(rms(results[1].audio), 0);
}

// What was played decides what comes next: the same window after two different pasts.
TEST_F(PaperAccompanistTest, GoesOnFromWhatWasPlayed) {
  const auto accompanist = load();
  std::vector<float> played(voice_);
  for (float& x : played) x *= 0.5f;
  WindowRequest after = request();
  after.played = std::span(played).first(static_cast<size_t>(after.known_end));
  after.played_end = after.known_end;
  const auto with = generate(*accompanist, after), without = generate(*accompanist, request());
  EXPECT_NE(with, without);
  after.played = after.played.last(1000);  // too short to be heard as frames
  EXPECT_EQ(generate(*accompanist, after).size(), without.size());
}

TEST_F(PaperAccompanistTest, WhatIsBrokenIsSaid) {
  const auto error_with = [&](const std::string& broken) {
    test::write_small_paper(folder_.path(), broken);
    return error();
  };
  EXPECT_THAT(error_with("semantic_encoder"), testing::HasSubstr("the semantic block made numbers that are none"));
  EXPECT_THAT(error_with("mixed_encoder"), testing::HasSubstr("the prior made numbers that are none"));
  EXPECT_THAT(error_with("denoiser"), testing::HasSubstr("the denoiser made numbers that are none"));
  std::filesystem::remove(folder_ / "small.safetensors");
  EXPECT_THAT(error(), testing::AllOf(testing::HasSubstr("no such file"), testing::HasSubstr("small.safetensors"),
                                      testing::HasSubstr("fastsag_train --config configs/train/small.toml")));
}

TEST_F(PaperAccompanistTest, NeedsAStepAtLeast) {
  const auto options = AccompanistOptions{.preset = folder_ / "small.toml", .steps = 0};
  EXPECT_THAT(test::error_of([&] { load_accompanist(options); }),
              testing::HasSubstr("preset small makes its mel with"));
}

TEST_F(PaperAccompanistTest, MistakesInAPreset) {
  std::string text = test::kSmallPaper;
  text.replace(text.find("\"bilinear\""), 10, "\"perceiver\"");
  write(text);
  EXPECT_THAT(error(), testing::HasSubstr("small.toml:4: condition is \"perceiver\", but size.perceiver is false"));
  write("form = \"paper\"\nweights = \"x\"\ncondition = \"mell\"\n");
  EXPECT_THAT(error(), testing::AllOf(testing::HasSubstr("condition is \"mell\", expected \"perceiver\""),
                                      testing::HasSubstr("front_end.weights is missing"),
                                      testing::HasSubstr("vocoder.weights is missing")));
}

}  // namespace
}  // namespace fastsag::model
