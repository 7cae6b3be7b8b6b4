#include "model/chart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "model/chord_reader.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// "C . G ." of a bar: where the chord stays, a dot.
std::string beats(const Chart& chart) {
  std::string out;
  for (size_t i = 0; i < chart.beats.size(); ++i) {
    if (i > 0) out += i % static_cast<size_t>(chart.beats_per_bar) == 0 ? " | " : " ";
    out += i > 0 && chart.beats[i] == chart.beats[i - 1] ? "." : chord_name(chart.beats[i]);
  }
  return out;
}
std::string beats(std::string_view text) { return beats(read_chart(text)); }
std::string error(std::string_view text) {
  return test::error_of([&] { read_chart(text, "song.cho"); });
}

TEST(ChordReader, EveryChordBecomesATriad) {
  const std::vector<std::pair<const char*, const char*>> chords = {
      {"C", "C"},        {"F#m", "F#m"},   {"Bb7", "Bb"},      {"A♭maj7", "Ab"}, {"Dm7/C", "Dm"}, {"Gsus4", "G"},
      {"E7#9", "E"},     {"Cmadd9", "Cm"}, {"Cma7", "C"},      {"C^7", "C"},     {"G-7", "Gm"},   {"Amin", "Am"},
      {"Bdim", "Bm"},    {"B°7", "Bm"},    {"Bm7b5", "Bm"},    {"Bø", "Bm"},     {"Caug", "C"},   {"C+", "C"},
      {"E5", "E"},       {"C6/9", "C"},    {"Cm(maj7)", "Cm"}, {"D/F#", "D"},    {"Cadd9", "C"},  {"G13", "G"},
      {"Fmaj7#11", "F"}, {"N.C.", "N"},    {"NC", "N"},        {"Cb", "B"},      {"B#", "C"},     {"E7alt", "E"}};
  for (const auto& [text, name] : chords) {
    const auto chord = read_chord(text);
    ASSERT_TRUE(chord) << text;
    EXPECT_EQ(chord_name(*chord), name) << text;
  }
  for (const char* text : {"", "H", "am", "Cx", "C/", "C/X", "Chorus", "Am Dm", "1", "[C]", "C/9", "#"})
    EXPECT_FALSE(read_chord(text)) << text;
}

TEST(ChordReader, KeysAreMajorOrMinor) {
  for (const auto& [text, name] : {std::pair("Am", "Am"), std::pair("F# minor", "F#m"), std::pair("Bb", "Bb"),
                                   std::pair("C major", "C"), std::pair("Ebmaj", "Eb")})
    EXPECT_EQ(chord_name(read_key(text).value_or(Chord{})), name) << text;
  for (const char* text : {"", "H", "Am7", "C7", "N", "a minor", "Dorian", "D dorian"})
    EXPECT_FALSE(read_key(text)) << text;
}

TEST(Chart, ReadsWhatAPersonWrites) {
  const Chart chart = read_chart(
      "# a comment\n{title: Blues in A}\n{key: A}\n{tempo: 96.5}\n{time: 4/4}\n{artist: nobody}\n"
      "{start_of_grid shape=\"1+4x4+1\"}\n"
      "A || A . . . | D7 . . . | % | A . E7 . ||  twice\n"
      "{end_of_grid}\n");
  EXPECT_EQ(chart.title, "Blues in A");
  EXPECT_EQ(chord_name(*chart.key), "A");
  EXPECT_EQ(chart.tempo_bpm, 96.5);
  EXPECT_EQ(chart.beats_per_bar, 4);
  EXPECT_EQ(beats(chart), "A . . . | D . . . | . . . . | A . E .");
}

TEST(Chart, CellsShareABarEvenly) {
  EXPECT_EQ(beats("| C | C G | C F G | C F G Am |"), "C . . . | . . G . | C . F G | C F G Am");
  EXPECT_EQ(beats("{time: 3/4}\n| C | C G | . G / |"), "C . . | . . G | . . .");
  EXPECT_EQ(beats("| C . . . G . . . |"), "C . G .") << "eight cells in four beats";
  EXPECT_EQ(beats("| C | | N.C. | G"), "C . . . | . . . . | N . . . | G . . .") << "an empty bar; a forgotten bar line";
}

TEST(Chart, WordsWithBarLinesAreAChartToo) {
  EXPECT_EQ(beats("Words alone\n[C]Twinkle | twinkle | [F]little [C]star | [*softly]la la |\n| [F]How I | wonder [C]\n"
                  "[G]words without bars\n"),
            "C . . . | . . . . | F . C . | . . . . | F . . . | C . . .");
}

TEST(Chart, RepeatsAreWrittenOut) {
  EXPECT_EQ(beats("| C |: F | G :| Am |"), "C . . . | F . . . | G . . . | F . . . | G . . . | Am . . .");
  EXPECT_EQ(beats("| C | G :| F :|"), "C . . . | G . . . | C . . . | G . . . | F . . . | . . . .");
  EXPECT_EQ(beats("|: C :|: G :|"), "C . . . | . . . . | G . . . | . . . .");
  EXPECT_EQ(beats("{soc}\n| C | G |\n{eoc}\n| Am |\n{chorus}\n"), "C . . . | G . . . | Am . . . | C . . . | G . . .");
}

TEST(Chart, CapoAndTransposeMoveChordsAndKey) {
  const Chart chart = read_chart("{key: C}\n{capo: 2}\n| C | N.C. |\n{transpose: -3}\n| C |");
  EXPECT_EQ(chord_name(*chart.key), "D");
  EXPECT_EQ(beats(chart), "D . . . | N . . . | B . . .");
}

TEST(Chart, BeginsAgainAtItsEnd) {
  const Chart chart = read_chart("| C | G |");
  EXPECT_EQ(chord_name(chart.at(3)), "C");
  EXPECT_EQ(chord_name(chart.at(4)), "G");
  EXPECT_EQ(chord_name(chart.at(8 * 1000000007LL + 5)), "G");
  EXPECT_EQ(chord_name(chart.at(-1)), "G");
}

TEST(Chart, AKeyThatChangesIsNoneToLock) { EXPECT_FALSE(read_chart("{key: C}\n| C |\n{key: D}\n| D |").key); }

TEST(Chart, TablatureAndOtherBlocksArePassedOver) {
  EXPECT_EQ(beats("{sot}\ne|--0--|--2--|\n{eot}\n| C |\n{start_of_abc}\n|: x :|\n{end_of_abc}\n"), "C . . .");
}

TEST(Chart, ErrorsNameLineAndColumn) {
  EXPECT_EQ(error("{title: x}\n| C . H . |\n"),
            "song.cho:2:7: \"H\" is no chord; expected A to G with # or b, m for minor and what jazz adds, as C, F#m, "
            "Bb7, Am7/G, or N.C.");
  EXPECT_THAT(error("| [C]Grün [Hm]wald |"), StartsWith("song.cho:1:12: \"Hm\" is no chord"))
      << "characters, not bytes";
  EXPECT_THAT(error("{title: x}\n\n[C]Twinkle twinkle\n"), StartsWith("song.cho:3:1: chords over words, but no bars"));
  EXPECT_THAT(error(""), StartsWith("song.cho:1:1: no bars"));
  EXPECT_THAT(error("{key: H}\n"), StartsWith("song.cho:1:7: \"H\" is no key"));
  EXPECT_THAT(error("{tempo: fast}\n"),
              StartsWith("song.cho:1:9: \"fast\" is no tempo; expected beats a minute, 30 to"));
  EXPECT_THAT(error("{time: 4/4/4}\n"), StartsWith("song.cho:1:8: \"4/4/4\" is no time"));
  EXPECT_THAT(error("| C |\n{time: 3/4}\n"), StartsWith("song.cho:2:8: another time after the first bar"));
  EXPECT_THAT(error("{key: C\n"), StartsWith("song.cho:1:1: a directive without its }"));
  EXPECT_THAT(error("| % |"), StartsWith("song.cho:1:3: % in the first bar"));
  EXPECT_THAT(error("| C | % G |"), StartsWith("song.cho:1:7: % among other cells"));
  EXPECT_THAT(error("| C D E F G |"), StartsWith("song.cho:1:5: a chord between two beats, or more than 4"));
  EXPECT_THAT(error("| C |1 F :|2 G |"), StartsWith("song.cho:1:5: an ending"));
  EXPECT_THAT(error("{sog}\nC . . .\n{eog}\n"), StartsWith("song.cho:2:1: a row of a grid without a bar line"));
  EXPECT_THAT(error("| [C | F |"), StartsWith("song.cho:1:3: a bracket without its ]"));
  EXPECT_THAT(error("| C |\n{new_song}\n| D |"), StartsWith("song.cho:2:1: a second song"));
}

TEST(Chart, HugeChartsAreRefused) {
  EXPECT_THAT(error(std::string("| C |\n| C\0 |", 10)), StartsWith("song.cho:2:4: a zero byte"));
  std::string million;
  for (int i = 0; i < 1000000; ++i) million += "| C ";
  EXPECT_THAT(error(million), HasSubstr("more than 32768 bytes"));
  std::string grows = "|: C | G | Am | F :|\n{soc}\n";
  for (int i = 0; i < 500; ++i) grows += "| C | G | Am | F |\n";
  grows += "{eoc}\n";
  for (int i = 0; i < 1000; ++i) grows += "{chorus}\n";
  EXPECT_THAT(error(grows), HasSubstr("song.cho:505:1: more than 4096 bars"));
}

TEST(Chart, AFileIsReadOrSaidToBeMissing) {
  const test::Scratch folder;
  const auto file = folder / "song.cho";
  std::ofstream(file) << "\xef\xbb\xbf| C | Xx |\r\n";
  EXPECT_THAT(test::error_of([&] { load_chart(file); }), StartsWith("song.cho:1:7: \"Xx\" is no chord"));
  std::ofstream(file) << "\xef\xbb\xbf| C | G |\r\n{key: G}\r\n";
  EXPECT_EQ(beats(load_chart(file)), "C . . . | G . . .");
  for (const auto& path : {folder / "none.cho", std::filesystem::path(file.parent_path())})
    EXPECT_THAT(test::error_of([&] { load_chart(path); }), StartsWith("cannot read the chart " + path.string()));
}

// Whatever bytes come, they give a chart of whole bars or an Error.
TEST(Chart, SurvivesNoise) {
  std::mt19937 random(1);
  const std::vector<std::string> pieces = {
      "|",       ":",      "|:", ":|",     "[",  "]", "C",     "Am7",      ".",        "%",
      " ",       "\n",     "{",  "}",      "#",  "/", "{soc}", "{eoc}",    "{chorus}", "{sog}",
      "{key:C}", "{time:", "3",  "{capo:", "\0", "H", "\xff",  "\xe2\x99", "N.C.",     "{eog}"};
  int charts = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto n = random() % 15; n > 0; --n) text += pieces[random() % pieces.size()];
    try {
      const Chart chart = read_chart(text);
      ASSERT_GT(chart.beats.size(), 0u);
      ASSERT_EQ(chart.beats.size() % static_cast<size_t>(chart.beats_per_bar), 0u) << text;
      ++charts;
    } catch (const Error&) {
    }
  }
  EXPECT_GT(charts, 30) << "some of it is a chart";
}

}  // namespace
}  // namespace fastsag::model
