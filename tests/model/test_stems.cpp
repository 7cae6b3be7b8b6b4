// Which clips FastSAG's recipe takes of a folder, and what it makes of them.
#include "model/train/stems.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "dsp/error.h"
#include "model/train/paper_examples.h"
#include "tests/model/stem_files.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using test::write_stem;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> names_of(const std::vector<Stems>& songs) {
  std::vector<std::string> names;
  for (const Stems& song : songs) names.push_back(song.name);
  return names;
}

TEST(Stems, PairsByNameAndDemucsFolders) {
  const test::Scratch folder;
  write_stem(folder / "b_vocals.flac", 1);
  write_stem(folder / "b_no_vocals.flac", 1);
  write_stem(folder / "htdemucs" / "A Song" / "vocals.wav", 2, 44100, .3, 2);
  write_stem(folder / "htdemucs" / "A Song" / "no_vocals.wav", 1, 44100, .3, 2);
  write_stem(folder / "cover.wav", 1);  // belongs to nobody
  const auto songs = find_stems(folder.path());
  EXPECT_THAT(names_of(songs), ElementsAre("b", "htdemucs/A Song"));
  EXPECT_EQ(songs[1].vocals, folder / "htdemucs" / "A Song" / "vocals.wav");
  EXPECT_EQ(songs[1].rate, 44100);
  EXPECT_EQ(songs[1].samples, 44100);  // of the shorter stem
}

TEST(Stems, WhatCannotBeAPairIsToldByName) {
  const test::Scratch folder;
  write_stem(folder / "b_vocals.flac", 1);
  write_stem(folder / "b_no_vocals.flac", 1);
  const auto told = [&] {  // and the others are used
    testing::internal::CaptureStderr();
    EXPECT_THAT(names_of(find_stems(folder.path())), ElementsAre("b"));
    return testing::internal::GetCapturedStderr();
  };
  write_stem(folder / "a_no_vocals.wav", 1);
  EXPECT_THAT(told(), HasSubstr("a_vocals.wav"));
  EXPECT_EQ(told(), "") << "once is enough";
  write_stem(folder / "a_vocals.wav", 1, 48000);
  EXPECT_THAT(told(), HasSubstr("48000 Hz, its other stem of 24000"));
  std::filesystem::remove(folder / "a_vocals.wav");
  std::ofstream(folder / "a_vocals.wav") << "no sound";
  EXPECT_THAT(told(), HasSubstr("a_vocals.wav cannot be read"));
}

TEST(Stems, TwoMeaningsOfTheThreshold) {
  // 10^(-25/20) = .0562; the code's natural logarithm asks for e^-2.5 = .0821.
  EXPECT_TRUE(loud_enough(.0563, true));
  EXPECT_FALSE(loud_enough(.0562, true));
  EXPECT_TRUE(loud_enough(.0821, false));
  EXPECT_FALSE(loud_enough(.0820, false));
  EXPECT_FALSE(loud_enough(0, true));
}

TEST(Stems, ClipsAreWholePiecesWhereBothStemsAreLoud) {
  const test::Scratch folder;
  for (const char* name : {"a", "b", "c"}) {
    write_stem(folder / (name + std::string("_no_vocals.wav")), 35);
    write_stem(folder / (name + std::string("_vocals.wav")), 35, 24000, name[0] == 'c' ? .1 : .3);  // RMS .07, .21
  }
  std::ofstream(folder / "b.json") << R"({"split": "validate"})";
  std::ofstream(folder / "a.json") << R"({"split": "train"})";
  std::ofstream(folder / "c.json") << R"({"split": "train"})";
  const StemCorpus paper(folder.path(), true), code(folder.path(), false);
  EXPECT_EQ(paper.validate().size(), 3u);
  EXPECT_EQ(paper.validate()[0].song->name, "b");
  EXPECT_EQ(paper.train().size(), 6u);
  EXPECT_EQ(code.train().size(), 3u);  // without c, whose -23 dB the code takes for quieter
  EXPECT_EQ(paper.train()[1].begin, 10 * 24000);
  EXPECT_EQ(paper.train()[1].samples, 10 * 24000);
  // The levels were kept: they are used where the files are the same, and measured anew where one changed.
  EXPECT_TRUE(std::filesystem::exists(folder / "clip_levels.cache"));
  write_stem(folder / "a_vocals.wav", 35, 24000, .001);
  EXPECT_EQ(StemCorpus(folder.path(), true).train().size(), 3u);
}

TEST(Stems, WhatIsCutOffSilentOrUnequalIsToldAndTheOthersAreUsed) {
  const test::Scratch folder;
  const auto pair = [&](const std::string& name, const char* ending, double amplitude = .3) {
    for (const char* stem : {"_vocals", "_no_vocals"})
      write_stem(folder / (name + stem + ending), 25, 24000, amplitude);
    std::ofstream(folder / (name + ".json")) << R"({"split": "train"})";
  };
  for (const char* name : {"flac", "end", "whole", "held"}) pair(name, ".flac");
  pair("wav", ".wav");
  pair("quiet", ".wav", .001);
  std::ofstream(folder / "held.json") << R"({"split": "validate"})";
  const auto cut = [&](const std::string& file, double share) {
    const auto size = static_cast<double>(std::filesystem::file_size(folder / file));
    std::filesystem::resize_file(folder / file, static_cast<uintmax_t>(size * share));
  };
  cut("flac_no_vocals.flac", .5);
  cut("end_vocals.flac", .99);  // beyond its last whole piece
  cut("wav_vocals.wav", .5);    // libsndfile reads what there is and calls it the whole
  testing::internal::CaptureStderr();
  const StemCorpus corpus(folder.path(), true);
  const std::string told = testing::internal::GetCapturedStderr();
  EXPECT_THAT(told, HasSubstr("flac_no_vocals.flac ends before its header says"));
  EXPECT_THAT(told, HasSubstr("end_vocals.flac ends before its header says"));
  EXPECT_THAT(told, testing::ContainsRegex("the last 12[.].* s of .*wav_no_vocals.wav: its other stem"));
  EXPECT_THAT(told, HasSubstr("quiet_no_vocals.wav and its vocals have no 10 s"));
  std::vector<std::string> used;
  for (const Clip& clip : corpus.train()) used.push_back(clip.song->name);
  EXPECT_THAT(used, ElementsAre("wav", "whole", "whole"));  // one whole piece of 12 s, two of 25 s
  testing::internal::CaptureStderr();
  EXPECT_EQ(StemCorpus(folder.path(), true).train().size(), 3u);  // what cannot be read is not remembered as levels
  testing::internal::GetCapturedStderr();
}

TEST(Stems, WithoutASaidSplitEveryTwentiethSongValidates) {
  const test::Scratch folder;
  for (int i = 10; i < 32; ++i) {
    for (const char* stem : {"_vocals.wav", "_no_vocals.wav"})
      write_stem(folder / (std::to_string(i) + stem), 10, 2000);
  }
  const StemCorpus corpus(folder.path(), true);
  ASSERT_EQ(corpus.validate().size(), 2u);
  EXPECT_EQ(corpus.validate()[0].song->name, "10");
  EXPECT_EQ(corpus.validate()[1].song->name, "30");
  EXPECT_EQ(corpus.train().size(), 20u);
}

TEST(PaperExamples, NoiseOfTheRecipe) {
  int loud = 0;
  for (uint64_t i = 0; i < 400; ++i) {
    std::vector<float> voice(2000);
    voice[5] = -.5f;  // its peak rules the second noise
    Chance chance{i};
    add_noise(voice, chance);
    double sum = 0;
    for (size_t k = 10; k < voice.size(); ++k) sum += static_cast<double>(voice[k]) * voice[k];
    const double deviation = std::sqrt(sum / 1990);
    EXPECT_GT(deviation, .009);
    EXPECT_LT(deviation, std::hypot(.01, .05) * 1.1);  // 1.1: of 1990 draws, six deviations
    loud += deviation > .0115;                         // a second noise of .0057 or more, 89 % of those
  }
  EXPECT_NEAR(loud / 400.0, .3 * .886, .08);  // binomial deviation .022
}

TEST(PaperExamples, LevelOfTheWholeClipThenCropThenRate) {
  const test::Scratch folder;
  // 15 s in one clip: the second half twice as loud, so that a crop of the first alone stays below the level.
  for (const char* stem : {"a_vocals.wav", "a_no_vocals.wav", "b_vocals.wav", "b_no_vocals.wav"})
    write_stem(folder / stem, 15, 44100, .3, 1, /*louder_from=*/12);
  const StemCorpus corpus(folder.path(), true);
  PaperTask task;
  float lowest = 1, highest = 0;
  for (uint64_t i = 0; i < 12; ++i) {
    const PaperExamples example = make_example(task, corpus.train()[0], false, Chance{i});
    ASSERT_EQ(example.voice_wave.size(1), 240000);
    EXPECT_EQ(example.batch.mel.size(2), 937);
    const float peak = example.voice_wave.abs().max().item<float>();
    lowest = std::min(lowest, peak), highest = std::max(highest, peak);
    EXPECT_TRUE(torch::equal(example.voice_wave, example.accompaniment_wave));  // the same place
  }
  EXPECT_NEAR(lowest, .4, .02);   // a crop that ends before 12 s
  EXPECT_NEAR(highest, .8, .05);  // at the step resampling overshoots by a tenth of it
}

}  // namespace
}  // namespace fastsag::model
