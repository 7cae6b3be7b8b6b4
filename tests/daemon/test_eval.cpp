#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "daemon/eval_pairs.h"
#include "daemon/eval_report.h"
#include "dsp/error.h"
#include "tests/support/scratch.h"

namespace fastsag::daemon {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Pairs : public ::testing::Test {
 protected:
  void file(const std::string& name, const std::string& text = "x") { std::ofstream(folder / name) << text; }
  std::string refusal(const std::string& name) {
    try {
      read_pairs(folder / name);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  test::Scratch folder;
};

TEST_F(Pairs, OfAFolderAreWhatWasMadeWithItsTruthAndItsVoiceWhereThereIsOne) {
  for (const char* name : {"b_ours.wav", "b_no_vocals.flac", "a_ours.wav", "a_no_vocals.wav", "a_vocals.wav",
                           "unused_vocals.wav", "unused_no_vocals.wav", "notes.txt"}) {
    file(name);
  }
  const auto pairs = read_pairs(folder.path());
  ASSERT_EQ(pairs.size(), 2);
  EXPECT_EQ(pairs[0].name, "a");
  EXPECT_EQ(pairs[0].vocals, folder / "a_vocals.wav");
  EXPECT_EQ(pairs[1].truth, folder / "b_no_vocals.flac");
  EXPECT_EQ(pairs[1].ours, folder / "b_ours.wav");
  EXPECT_TRUE(pairs[1].vocals.empty());
}

TEST_F(Pairs, OfAFolderThatIsNotWholeAreRefusedAllAtOnce) {
  for (const char* name : {"a_ours.wav", "b_ours.wav"}) file(name);
  EXPECT_THAT(refusal(""), AllOf(HasSubstr("a_ours has no a_no_vocals"), HasSubstr("b_ours has no")));
  file("a_ours.flac");
  EXPECT_THAT(refusal(""), HasSubstr("a_ours twice"));
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
    const auto pairs = read_pairs(folder / list);
    ASSERT_EQ(pairs.size(), 2) << list;
    EXPECT_EQ(pairs[0].name, "o");  // after its file
    EXPECT_EQ(pairs[1].name, "song");
    EXPECT_EQ(pairs[1].truth, folder / "t, true.wav");
    EXPECT_TRUE(pairs[0].vocals.empty());
  }
}

TEST_F(Pairs, OfAListThatIsNotWholeAreRefusedAllAtOnce) {
  file("o.wav");
  file("list.csv", "ours,no_vocals\no.wav,gone.wav\no.wav\n");
  EXPECT_THAT(refusal("list.csv"), AllOf(HasSubstr("gone.wav"), HasSubstr("entry 2 lacks")));
  file("none.csv", "ours,no_vocals\n");
  EXPECT_THAT(refusal("none.csv"), HasSubstr("lists nothing"));
  file("bad.json", "{\"ours\": 1");
  EXPECT_THAT(refusal("bad.json"), HasSubstr("no JSON array"));
  file("odd.json", "[1, {\"ours\": 3}]");
  EXPECT_THAT(refusal("odd.json"), AllOf(HasSubstr("entry 1 lacks"), HasSubstr("entry 2 lacks")));
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
