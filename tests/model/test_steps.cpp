#include "model/lite/steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "model/lite/chance.h"

namespace fastsag::model {
namespace {

float pitch_feature(const ChordFeatures& f, int step, int pc, int feature) {
  return f.pitches[static_cast<size_t>(((step - kSongBegin) * 12 + pc) * kPitchFeatures + feature)];
}

StepWindow random_window(Chance& chance) {
  StepWindow window;
  double at = kSongBegin - 3;
  while (at < kWindowSteps + 4) {
    const double length = chance.uniform(0.2, 6);
    window.melody.push_back({at, at + length, 55 + chance.below(20), 80});
    at += length + (chance.maybe(0.3) ? chance.uniform(0, 4) : 0);
  }
  window.voice_begin = chance.uniform(kSongBegin, 0);
  window.voice_end = chance.uniform(10, kWindowSteps);
  return window;
}

TEST(Steps, ANoteSoundsWhereItIsAndIsStruckOnce) {
  StepWindow window;
  window.melody = {{4, 8, 64, 80}};  // an E over the second beat
  window.voice_end = kWindowSteps;
  const ChordFeatures f = chord_features(window);
  float sounding = 0, struck = 0;
  for (int step = 0; step < kWindowSteps; ++step)
    for (int pc = 0; pc < 12; ++pc) sounding += pitch_feature(f, step, pc, 0), struck += pitch_feature(f, step, pc, 1);
  EXPECT_FLOAT_EQ(sounding, 4);  // its four steps and nothing else
  EXPECT_FLOAT_EQ(struck, 1);
  EXPECT_FLOAT_EQ(pitch_feature(f, 4, 4, 1), 1);
  EXPECT_FLOAT_EQ(pitch_feature(f, 7, 4, 0), 1);
  EXPECT_FLOAT_EQ(pitch_feature(f, 12, 4, 2), 1);  // "near" reaches 8 steps: all 4 steps of it, over 4
}

TEST(Steps, TheChordNetLooksBackAMinute) {
  StepWindow window;
  window.melody = {{kSongBegin + 1, kSongBegin + 3, 62, 80}};
  window.voice_begin = kSongBegin;
  window.voice_end = kWindowSteps;
  const ChordFeatures f = chord_features(window);
  EXPECT_FLOAT_EQ(pitch_feature(f, kSongBegin + 1, 2, 1), 1);
  EXPECT_FLOAT_EQ(pitch_feature(f, kSongBegin + 2, 2, 0), 1);
  EXPECT_GT(pitch_feature(f, kWindowSteps - 1, 2, 3), 0) << "all of the melody is known everywhere";
  window.voice_begin = 0;
  EXPECT_FLOAT_EQ(pitch_feature(chord_features(window), kSongBegin + 2, 2, 0), 0) << "before the room's first sound";
}

TEST(Steps, WhatIsNotKnownIsNotLookedAt) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Chance chance({seed});
    StepWindow window = random_window(chance);
    const ChordFeatures before = chord_features(window);
    const auto conditions = note_conditions(window, {}, {});
    // Another future: no voice after voice_end may tell.
    std::erase_if(window.melody, [&](const StepNote& n) { return n.onset >= window.voice_end; });
    for (StepNote& note : window.melody) note.release += note.release > window.voice_end ? 5 : 0;
    window.melody.push_back({window.voice_end, window.voice_end + 3, 61, 80});
    const ChordFeatures after = chord_features(window);
    ASSERT_EQ(before.pitches, after.pitches) << "seed " << seed;
    ASSERT_EQ(before.scalars, after.scalars) << "seed " << seed;
    ASSERT_EQ(conditions, note_conditions(window, {}, {})) << "seed " << seed;
  }
}

TEST(Steps, MovingEverythingByAnIntervalMovesThePitchClasses) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Chance chance({seed});
    StepWindow window = random_window(chance);
    const int up = 1 + chance.below(11);
    const ChordFeatures here = chord_features(window);
    for (StepNote& note : window.melody) note.pitch += up;
    const ChordFeatures there = chord_features(window);
    for (int step = kSongBegin; step < kWindowSteps; ++step)
      for (int pc = 0; pc < 12; ++pc)
        for (int k = 0; k < kPitchFeatures; ++k)
          ASSERT_FLOAT_EQ(pitch_feature(here, step, pc, k), pitch_feature(there, step, (pc + up) % 12, k));
  }
}

TEST(Steps, BarsCountFromTheFirstBeatAndAreSilentWhereUnknown) {
  StepWindow window;
  const auto place = [&](int step) {
    const auto conditions = note_conditions(window, {}, {});
    const auto row = conditions.begin() + step * kNoteConditions;
    const auto found = std::find(row + 46, row + 62, 1.0f);
    return row[45] == 0 ? -1 : static_cast<int>(found - (row + 46));
  };
  EXPECT_EQ(place(0), -1);
  window.bar_beats = 3;
  window.first_beat = 2;
  EXPECT_EQ(place(0), 8);   // third beat of three
  EXPECT_EQ(place(5), 1);   // one step into the next bar
  EXPECT_EQ(place(16), 0);  // two bars of 12 after step 4
}

TEST(Steps, ConditionsTellTheMelodyFromTheRoot) {
  StepWindow window;
  window.melody = {{0, 4, 67, 80}};  // G
  window.voice_end = 8;
  const std::vector<StepChord> chords(kWindowSteps, {9, Quality::minor});  // A minor: the G is its seventh
  const auto rows = note_conditions(window, chords, {.notes_per_step = 0.5f});
  EXPECT_EQ(rows[9], 1);                              // root A
  EXPECT_EQ(rows[12 + 1], 1);                         // minor
  EXPECT_EQ(rows[29 + 10], 1);                        // ten semitones above the root
  EXPECT_EQ(rows[4 * kNoteConditions + 29 + 12], 1);  // silent, and known to be
  EXPECT_EQ(rows[8 * kNoteConditions + 29 + 13], 1);  // not known
  EXPECT_EQ(rows[66], 1);
  EXPECT_EQ(rows[67], 0.5f);
  EXPECT_EQ(rows[68], 0);  // no wish for loudness
}

TEST(Steps, QuantisedScoresAreOrderedSparseAndStable) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Chance chance({seed});
    std::vector<StepNote> notes;
    for (int i = 0; i < 400; ++i) {
      const double onset = chance.uniform(-5, kWindowSteps + 5);
      notes.push_back({onset, onset + chance.uniform(0.01, 30), chance.below(128), 1 + chance.below(127)});
    }
    const auto score = quantise(notes);
    const auto place = [](const ScoreNote& note) { return std::pair(note.step, note.pitch); };
    ASSERT_EQ(std::ranges::adjacent_find(score, std::ranges::greater_equal(), place), score.end());
    std::vector<StepNote> again;
    for (size_t i = 0; i < score.size(); ++i) {
      const ScoreNote& note = score[i];
      ASSERT_TRUE(note.step >= 0 && note.step < kWindowSteps);
      ASSERT_TRUE(note.pitch >= kLowestPitch && note.pitch <= kHighestPitch);
      if (i >= kNotesPerStep) {
        ASSERT_NE(score[i - kNotesPerStep].step, note.step);
      }
      const double onset = note.step;
      again.push_back(
          {onset, onset + kLengths[static_cast<size_t>(note.length)], note.pitch, velocity_of(note.velocity)});
    }
    ASSERT_EQ(quantise(again), score);  // what the generator wrote, it reads as it wrote it
  }
}

}  // namespace
}  // namespace fastsag::model
