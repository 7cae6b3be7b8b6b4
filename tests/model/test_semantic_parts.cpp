#include "model/train/semantic_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <string>

#include "dsp/error.h"
#include "tests/support/scratch.h"

namespace fastsag::model::semantic_parts_test {
namespace {

// Two minutes of I-vi-IV-V in quarter notes at 100 beats a minute: bass on the beat, chord on the offbeat, and a tune
// of chord notes. A chord a bar.
Song song(const std::string& name, int key, double bpm = 100) {
  Song out;
  out.name = name;
  const double beat = 60 / bpm;
  constexpr int kRoots[] = {0, 9, 5, 7};
  for (int b = 0; b < 200; ++b) {
    const int bar = b / 4, root = (key + kRoots[bar % 4]) % 12;
    const bool minor = bar % 4 == 1;
    const double at = 0.5 + b * beat;
    out.beats.push_back({at, b % 4 == 0});
    if (b % 4 == 0) out.chords.push_back({at, at + 4 * beat, root, minor ? Quality::minor : Quality::major});
    const int tones[] = {0, minor ? 3 : 4, 7};
    out.melody.push_back({at, beat * 0.9, 60 + root + tones[(b * 7 + bar) % 3], 90, 0});
    out.notes.push_back({at, beat / 2, 36 + root, 80, 0});
    for (const int tone : tones) out.notes.push_back({at + beat / 2, beat / 2, 54 + root + tone, 64, 0});
  }
  out.seconds = out.beats.back().time + beat;
  return out;
}

SharedScores scores() {
  ScoreSplits splits;
  for (int key = 0; key < 12; ++key) splits.train.push_back(song("train", key));
  splits.validate.push_back(song("validate", 3, 90));
  return std::make_shared<const ScoreSplits>(std::move(splits));
}

template <typename Part>
double train(Part& part, int steps) {
  torch::optim::AdamW optimiser(part.module().parameters(), torch::optim::AdamWOptions(3e-3));
  double last = 0;
  for (int step = 0; step < steps; ++step) {
    std::map<std::string, double> figures;
    const auto loss = part.loss({1, step, 0}, figures);
    optimiser.zero_grad();
    loss.backward();
    torch::nn::utils::clip_grad_norm_(part.module().parameters(), 1);
    optimiser.step();
    last = loss.template item<double>();
  }
  part.module().eval();
  return last;
}

TEST(StepWindows, ACleanWindowIsWhatWasWritten) {
  const Song s = song("x", 0);
  Chance chance({1});
  const TrainingWindow w = window_at(s, 8, 4, Hearing::all, {.tracker = 0, .bars = true}, chance);
  EXPECT_EQ(w.heard.bar_beats, 4);
  EXPECT_EQ(w.heard.first_beat, 0);
  for (int step = 0; step < kWindowSteps; ++step) {
    const int bar = 2 + step / 16;
    const std::array roots = {0, 9, 5, 7};
    EXPECT_EQ(w.chords[static_cast<size_t>(step)],
              (StepChord{roots[static_cast<size_t>(bar % 4)], bar % 4 == 1 ? Quality::minor : Quality::major}));
  }
  EXPECT_EQ(w.score.size(), 24u * 4);                      // a bass note and a chord of three a beat
  EXPECT_THAT(w.score.front(), (ScoreNote{0, 41, 3, 4}));  // F, two steps long, velocity 80 ~ 82
}

TEST(StepWindows, BeatsAndSecondsAreInverse) {
  const Song s = song("x", 0, 87);
  const BeatMap map(s);
  Chance chance({2});
  for (int i = 0; i < 200; ++i) {
    const double beat = chance.uniform(-5, 230);  // also before the first and after the last
    EXPECT_NEAR(map.beat_at(map.seconds_at(beat)), beat, 1e-9);
  }
}

TEST(StepWindows, WhatIsHeardCoversTheLeadsOfBothModes) {
  const std::vector<Song> one = {song("x", 0)};
  double lowest = kWindowSteps, whole = 0;
  std::array<double, 12> roots{};
  for (uint64_t i = 0; i < 400; ++i) {
    Chance chance({i});
    const TrainingWindow w = random_window(one, chance);
    EXPECT_TRUE(w.heard.voice_begin >= kSongBegin && w.heard.voice_begin < w.heard.voice_end &&
                w.heard.voice_end <= kWindowSteps);
    EXPECT_TRUE(w.unknown_from >= 0 && w.unknown_from < kWindowSteps);
    lowest = std::min(lowest, w.heard.voice_end);
    ++roots[static_cast<size_t>(w.chords[40].root)];
    whole += w.heard.voice_begin == kSongBegin;
  }
  const double second = 4 * 100 / 60.0;                          // steps
  EXPECT_NEAR(lowest, kWindowSteps - 3.5 * second, second / 2);  // the voice breaks off up to 3.5 s early
  EXPECT_NEAR(whole / 400, 0.5 * 0.8, 0.1);                      // as much as can be remembered, or less
  // All keys alike, though the song knows four roots: 33 windows a root, and 15 is three deviations (5.5) fewer.
  EXPECT_THAT(roots, testing::Each(testing::Ge(15)));
}

TEST(StepWindows, WhatIsToBeGuessedGoesOnFromWhatWasPlayed) {
  const Song s = song("x", 0);
  const double second = 4 * 100 / 60.0;  // steps
  double earliest = 0, latest = 0, ahead = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    Chance chance({i});
    EXPECT_EQ(window_at(s, 8, 4, Hearing::all, {}, chance).unknown_from, 0);
    const TrainingWindow delayed = window_at(s, 8, 4, Hearing::delayed, {}, chance);
    const double before = delayed.heard.voice_end - delayed.unknown_from;
    earliest = i == 0 ? before : std::min(earliest, before), latest = std::max(latest, before);
    const TrainingWindow live = window_at(s, 8, 4, Hearing::live, {}, chance);
    ahead = std::max(ahead, live.unknown_from - live.heard.voice_end);
  }
  EXPECT_NEAR(earliest, second, second / 4);    // one to four seconds before the end; the extremes of 200 draws come
  EXPECT_NEAR(latest, 4 * second, second / 4);  // within .02 of it, a step is cut off
  EXPECT_NEAR(ahead, 2 * second, second / 4 + 1);
}

// What scores of art songs hold and pop songs do not.
std::vector<Song> unusual_songs() {
  std::vector<Song> songs;
  for (const int beats : {3, 6, 9, 1}) {  // a bar
    songs.push_back(song("bars of " + std::to_string(beats), 0));
    for (size_t i = 0; i < songs.back().beats.size(); ++i)
      songs.back().beats[i].downbeat = static_cast<int>(i) % beats == 0;
  }
  songs.push_back(song("fast", 0, 300));
  songs.push_back(song("slow", 0, 30));
  songs.push_back(song("hurrying", 0));
  for (size_t i = 1; i < songs.back().beats.size(); ++i)  // from 20 to 300 beats a minute
    songs.back().beats[i].time = songs.back().beats[i - 1].time + 3 - 0.014 * static_cast<double>(i);
  songs.push_back(song("never sung", 0));
  songs.back().melody.clear();
  songs.push_back(song("sung at both ends", 0));
  std::erase_if(songs.back().melody, [](const SongNote& note) { return note.onset > 3 && note.onset < 115; });
  songs.push_back(song("no chords, no piano", 0));
  songs.back().chords.clear();
  songs.back().notes.clear();
  songs.push_back(song("one long bar", 0));
  songs.back().beats.resize(8);
  for (size_t i = 1; i < 8; ++i) songs.back().beats[i].downbeat = false;
  songs.push_back(song("no downbeat", 0));
  for (SongBeat& beat : songs.back().beats) beat.downbeat = false;
  return songs;
}

TEST(StepWindows, SongsOfAnyShapeHaveWindows) {
  for (const Song& s : unusual_songs()) {
    for (uint64_t i = 0; i < 30; ++i) {
      Chance chance({i});
      const TrainingWindow w = random_window({s}, chance);
      EXPECT_LE(w.heard.bar_beats, 4) << s.name;  // what the features can tell
      const auto features = chord_features(w.heard);
      const auto conditions = note_conditions(w.heard, w.chords, {});
      for (const auto* values : {&features.pitches, &features.scalars, &conditions})
        EXPECT_TRUE(std::ranges::all_of(*values, [](float value) { return std::abs(value) < 100; })) << s.name;
      for (const ScoreNote& note : w.score) EXPECT_TRUE(note.step >= 0 && note.step < kWindowSteps) << s.name;
    }
  }
}

TEST(StepWindows, AGridIsNeverFasterOrSlowerThanAPulseThatIsHeard) {
  // A bass note a beat: the window's 96 steps are 48 beats of 2 steps, or 12 of 8.
  for (const auto& [bpm, beats] : {std::pair{200.0, 48}, {100.0, 24}, {40.0, 12}}) {
    Chance chance({1});
    const auto score = random_window({song("x", 0, bpm)}, chance).score;
    const auto bass = std::ranges::count_if(score, [](const ScoreNote& note) { return note.velocity >= 4; });
    EXPECT_NEAR(static_cast<double>(bass), beats, 1) << bpm;
  }
}

TEST(StepWindows, ASharedCorpusIsDrawnAsOftenAsItsShareSays) {
  const test::Scratch folder;
  const auto write = [&](const std::string& corpus, const std::string& name, const std::string& split, int beats = 40) {
    std::string text = "{\"name\":\"" + name + "\",\"split\":\"" + split + "\",\"seconds\":50,\"melody\":[],";
    text += "\"notes\":[],\"chords\":[],\"beats\":[[0,1]";
    for (int beat = 1; beat < beats; ++beat) text += ",[" + std::to_string(beat) + ",0]";
    std::filesystem::create_directories(folder / corpus);
    std::ofstream(folder / corpus / (name + ".json")) << text << "]}";
  };
  write("pop", "1", "train");
  write("pop", "2", "validate");
  for (const char* name : {"lc2", "lc3", "lc4"}) write("lieder", name, "train");
  write("lieder", "lc1", "validate");
  write("lieder", "lc5", "train", 7);  // too short to learn from
  const auto weights = [&](double pop, double lieder) {
    std::vector<double> found;
    for (const Song& s : load_scores({{folder / "pop", pop}, {folder / "lieder", lieder}})->train)
      found.push_back(s.weight);
    return found;
  };
  EXPECT_THAT(weights(0, 0), testing::Each(1));
  EXPECT_THAT(weights(3, 1), testing::ElementsAre(1, testing::DoubleEq(1.0 / 9), testing::DoubleEq(1.0 / 9),
                                                  testing::DoubleEq(1.0 / 9)));
  EXPECT_EQ(load_scores({{folder / "pop"}, {folder / "lieder"}})->validate.size(), 2u);

  auto songs = load_scores({{folder / "pop", 3}, {folder / "lieder", 1}})->train;
  songs[0].chords = {{0, 60, 0, Quality::major}};
  int pop = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    Chance chance({7, i});
    const TrainingWindow w = random_window(songs, chance);
    pop += w.song.back().quality != Quality::none;
  }
  EXPECT_NEAR(pop, 750, 45);  // 3 of 4, three standard errors
}

TEST(StepWindows, BeatsThatStandStillAreRefused) {
  const test::Scratch folder;
  std::ofstream(folder / "x.json") << R"({"name":"x","split":"train","seconds":9,"melody":[],"notes":[],"chords":[],)"
                                   << R"("beats":[[0,1],[1,0],[1,0],[2,0]]})";
  try {
    load_song(folder / "x.json");
    FAIL() << "two beats at the same time";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("1.000000 s"));
  }
}

TEST(BeatPart, SongsWithoutBarsOfFourAreToldNotWaitedFor) {
  Chance chance({1});
  const auto songs = unusual_songs();
  const Song& waltz = songs.front();
  EXPECT_THROW(random_beat_window({waltz}, chance), Error);
  EXPECT_NO_THROW(random_beat_window({waltz, song("four", 0)}, chance));
}

TEST(ChordPart, SongsWithoutChordsTeachNothing) {
  torch::manual_seed(1);
  ScoreSplits splits;
  splits.train = {unusual_songs()[9]};
  ChordPart part(std::make_shared<const ScoreSplits>(splits), 2);
  NotePart notes(std::make_shared<const ScoreSplits>(splits), 1);
  std::map<std::string, double> figures;
  EXPECT_EQ(part.loss({1, 1, 0}, figures).item<double>(), 0);
  EXPECT_TRUE(std::isfinite(notes.loss({1, 1, 0}, figures).item<double>()));
}

TEST(ChordPart, ABatchIsItsKey) {
  torch::manual_seed(1);
  ChordPart part(scores(), 4);
  std::map<std::string, double> figures;
  torch::NoGradGuard no_grad;
  const auto at = [&](BatchKey key) { return part.loss(key, figures).item<double>(); };
  EXPECT_EQ(at({1, 5, 0}), at({1, 5, 0}));
  EXPECT_NE(at({1, 5, 0}), at({1, 5, 1}));  // ranks see other songs
  EXPECT_NE(at({1, 5, 0}), at({1, 6, 0}));
  EXPECT_NE(at({1, 5, 0}), at({2, 5, 0}));
}

TEST(ChordPart, LearnsToHearChords) {
  torch::set_num_threads(1);
  torch::manual_seed(1);
  ChordPart part(scores(), 8);
  train(part, 40);
  const auto figures = part.validate();
  // 1/24 by chance, .25 for the right key and nothing else.
  EXPECT_GT(figures.at("written_exact"), 0.6);
  EXPECT_LT(figures.at("written_ce"), 1.6);  // ln 24 = 3.18
}

TEST(NotePart, LearnsTheFigureOfAnAccompaniment) {
  torch::set_num_threads(1);
  torch::manual_seed(1);
  NotePart part(scores(), 4);
  train(part, 40);
  const auto figures = part.validate();
  EXPECT_LT(figures.at("pitch_ce"), 1.5);  // ln 100 = 4.6
  EXPECT_GT(figures.at("accuracy"), 0.6);  // .50 for saying END every time
}

}  // namespace
}  // namespace fastsag::model::semantic_parts_test
