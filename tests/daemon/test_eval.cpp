#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "daemon/eval_pairs.h"
#include "daemon/eval_report.h"
#include "daemon/sound_file.h"
#include "dsp/error.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"

namespace fastsag::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Pairs : public ::testing::Test {
 protected:
  void file(const std::string& name, const std::string& text = "x") { std::ofstream(folder / name) << text; }
  void sound(const std::string& name, double seconds, float level = 0.1f) {
    std::vector<float> wave(static_cast<size_t>(seconds * 8000));
    for (size_t i = 0; i < wave.size(); ++i) wave[i] = level * std::sin(0.3f * static_cast<float>(i));
    SoundWriter writer(folder / name, 8000);
    writer.write(wave);
    writer.finish();
  }
  std::string refusal(const std::string& name) {
    return test::error_of([&] { read_pairs(folder / name); });
  }
  static std::vector<std::string> names(const EvalPairs& read) {
    std::vector<std::string> names;
    for (const EvalPair& pair : read.pairs) names.push_back(pair.name);
    return names;
  }
  static std::string left_out(const EvalPairs& read) {
    std::string words;
    for (const EvalRemark& remark : read.remarks)
      words += remark.name + (remark.left_out ? " out: " : " in: ") + remark.text + "\n";
    return words;
  }
  test::Scratch folder;
};

TEST_F(Pairs, OfAFolderAreWhatWasMadeWithItsTruthAndItsVoiceWhereThereIsOne) {
  for (const char* name : {"b_ours.wav", "b_no_vocals.flac", "a_ours.wav", "a_no_vocals.wav", "a_vocals.wav",
                           "a_ours.json", "unused_vocals.wav", "unused_no_vocals.wav", "notes.txt"}) {
    file(name);
  }
  const auto read = read_pairs(folder.path());
  ASSERT_THAT(names(read), ElementsAre("a", "b"));
  EXPECT_EQ(read.pairs[0].vocals, folder / "a_vocals.wav");
  EXPECT_EQ(read.pairs[1].truth, folder / "b_no_vocals.flac");
  EXPECT_EQ(read.pairs[1].ours, folder / "b_ours.wav");
  EXPECT_TRUE(read.pairs[1].vocals.empty());
  EXPECT_TRUE(read.remarks.empty());
}

TEST_F(Pairs, OfAFolderThatAreNotWholeAreListedAndTheRestIsUsed) {
  for (const char* name : {"a_ours.wav", "b_ours.wav"}) file(name);
  EXPECT_THAT(refusal(""), AllOf(HasSubstr("a_ours has no a_no_vocals"), HasSubstr("b_ours has no")));
  for (const char* name : {"b_no_vocals.wav", "c_ours.wav", "c_no_vocals.wav", "c_no_vocals.flac"}) file(name);
  const auto read = read_pairs(folder.path());
  EXPECT_THAT(names(read), ElementsAre("b"));
  EXPECT_EQ(read.remarks.size(), 2);
  EXPECT_THAT(left_out(read), AllOf(HasSubstr("a out: a_ours has no"), HasSubstr("c out: c_no_vocals is there twice")));
  std::filesystem::create_directory(folder / "empty");
  EXPECT_THAT(refusal("empty"), HasSubstr("holds no NAME_ours"));
  EXPECT_THAT(refusal("absent"), HasSubstr("no such folder or list"));
}

TEST_F(Pairs, OfAListAreRelativeToIt) {
  for (const char* name : {"v.wav", "t, true.wav", "o.wav"}) file(name);
  file("list.csv", "ours,no_vocals,vocals,name\r\no.wav,\"t, true.wav\",v.wav,song\r\n\r\no.wav,\"t, true.wav\",,\r\n");
  file("list.json", R"([{"ours": "o.wav", "no_vocals": "t, true.wav", "vocals": "v.wav", "name": "song"},
                        {"ours": "o.wav", "no_vocals": "t, true.wav"}])");
  for (const char* list : {"list.csv", "list.json"}) {
    const auto read = read_pairs(folder / list);
    ASSERT_THAT(names(read), ElementsAre("o", "song")) << list;  // o: after its file
    EXPECT_EQ(read.pairs[1].truth, folder / "t, true.wav");
    EXPECT_TRUE(read.pairs[0].vocals.empty());
  }
}

TEST_F(Pairs, OfAListThatAreNotWholeAreListedAndTheRestIsUsed) {
  file("list.csv", "ours,no_vocals\no.wav,gone.wav\no.wav\n");
  const auto read = read_pairs(folder / "list.csv");
  EXPECT_THAT(names(read), ElementsAre("o"));
  EXPECT_THAT(left_out(read), HasSubstr("entry 2 out: lacks no_vocals or ours"));
  file("none.csv", "ours,no_vocals\n");
  EXPECT_THAT(refusal("none.csv"), HasSubstr("lists nothing"));
  file("bad.json", "{\"ours\": 1");
  EXPECT_THAT(refusal("bad.json"), HasSubstr("no JSON array"));
  file("odd.json", "[1, {\"ours\": 3}]");
  EXPECT_THAT(refusal("odd.json"), AllOf(HasSubstr("entry 1: lacks"), HasSubstr("entry 2: lacks")));
}

TEST_F(Pairs, WhoseSoundsCannotBeComparedAreListedAndTheRestIsUsed) {
  for (const char* name : {"broken", "deaf", "good", "quiet", "short", "silent", "unsung"}) {
    sound(std::string(name) + "_no_vocals.wav", 3, name == std::string("silent") ? 0.0005f : 0.1f);
    sound(std::string(name) + "_vocals.wav", 3, name == std::string("unsung") ? 0.0f : 0.1f);
    sound(std::string(name) + "_ours.wav", name == std::string("short") ? 1.9 : 2.1,
          name == std::string("quiet") ? 0.0f : 0.1f);
  }
  file("broken_ours.wav", "RIFF, or so it says");
  std::filesystem::remove(folder / "deaf_vocals.wav");
  const auto checked = check_sounds(read_pairs(folder.path()));
  EXPECT_THAT(names(checked), ElementsAre("deaf", "good", "quiet"));  // .9 s less is no other song
  EXPECT_THAT(left_out(checked),
              AllOf(HasSubstr("broken out: "), HasSubstr("broken_ours.wav is no sound file"),
                    HasSubstr("short out: unequal: the truth has 3.0 s, ours 1.9 s, the voice 3.0 s"),
                    HasSubstr("silent_no_vocals.wav is silent"), HasSubstr("unsung_vocals.wav is silent"),
                    // What was made counts, also when it is nothing.
                    HasSubstr("quiet in: "), HasSubstr("deaf in: has no voice")));
  std::filesystem::remove(folder / "good_ours.wav");
  std::filesystem::remove(folder / "quiet_ours.wav");
  std::filesystem::remove(folder / "deaf_ours.wav");
  EXPECT_THAT(test::error_of([&] { check_sounds(read_pairs(folder.path())); }),
              AllOf(HasSubstr("no pair that can be compared"), HasSubstr("broken_ours.wav"), HasSubstr("unsung")));
}

TEST_F(Pairs, ComeWithWhatTheirMakerSaid) {
  file("a_ours.json", R"({"real_time_factor": 0.1, "join_s": [1, 2.5], "mode": "delayed"})");
  file("b_ours.json", R"({"real_time_factor": "fast", "join_s": 3})");
  file("c_ours.json", "no JSON");
  const MakersReport made = makers_report(folder / "a_ours.wav");
  EXPECT_EQ(made.real_time_factor, 0.1);
  EXPECT_THAT(made.joins_s, ElementsAre(1, 2.5));
  for (const char* name : {"b_ours.wav", "c_ours.wav", "d_ours.wav"}) {
    EXPECT_FALSE(makers_report(folder / name).real_time_factor) << name;
    EXPECT_TRUE(makers_report(folder / name).joins_s.empty()) << name;
  }
}

TEST(Csv, QuotesHoldCommasAndQuotes) {
  EXPECT_THAT(split_csv("a,\"b, \"\"c\"\"\",,d"), ElementsAre("a", "b, \"c\"", "", "d"));
}

TEST(EvalReport, SaysDistancesIntervalsAndControl) {
  model::EvaluationReport report{.clips = 3, .seconds = 30, .rows = {}};
  report.rows.push_back({"mix", "MERT layer 4", 2247, 768, {1.25, std::pair(1.5, 2.0)}, model::Distance{7.5, {}}});
  report.rows.push_back({"accompaniment", "six", 100, 6, {0.5, {}}, {}});
  model::EvaluationOptions options;
  const std::string words = to_markdown(report, options);
  EXPECT_THAT(words, HasSubstr("| mix | MERT layer 4 | 1.25 [1.5, 2] | 7.5 |\n"));
  EXPECT_THAT(words, HasSubstr("| accompaniment | six | 0.5 | - |\n"));
  EXPECT_THAT(words, HasSubstr("95 % of 40 resamples"));
  EXPECT_THAT(words, Not(HasSubstr("Too few frames")));
  report.rows[0].frames = 749;
  options.vocoder = "bigvgan.safetensors";
  EXPECT_THAT(to_markdown(report, options),
              AllOf(HasSubstr("Too few frames"), HasSubstr("as the vocoder renders them")));
  const auto json = to_json(report, options);
  EXPECT_EQ(json["rows"][0]["ours"]["interval95"][1], 2.0);
  EXPECT_EQ(json["rows"][0]["random_song"]["distance"], 7.5);
  EXPECT_FALSE(json["rows"][1].contains("random_song"));
  EXPECT_EQ(json["truth_through_vocoder"], true);
}

}  // namespace
}  // namespace fastsag::daemon
