#include "model/plan.h"

#include <gtest/gtest.h>

namespace fastsag::model {
namespace {

TEST(Plan, AnExcerptIsWhatSoundsThere) {
  Plan song;
  song.notes = {{0, 100, 60}, {50, 200, 62}, {150, 160, 64}, {199, 900, 65}, {200, 300, 67}};
  song.chords = {{0, 0, Quality::major}, {100, 7, Quality::major}, {150, 9, Quality::minor}, {200, 5, Quality::major}};
  song.key = Chord{0, 0, Quality::major, 1};
  const Plan part = excerpt(song, 100, 200);
  EXPECT_EQ(part.notes, (std::vector<Note>{song.notes[1], song.notes[2], song.notes[3]}));
  EXPECT_EQ(part.chords, (std::vector<Chord>{song.chords[1], song.chords[2]}));
  EXPECT_EQ(part.key, song.key);
  EXPECT_EQ(excerpt(song, 120, 140).chords, (std::vector<Chord>{song.chords[1]})) << "it began before and holds";
  EXPECT_TRUE(excerpt(song, 1000, 2000).notes.empty());
  EXPECT_EQ(excerpt(song, 1000, 2000).chords, (std::vector<Chord>{song.chords[3]}));
}

}  // namespace
}  // namespace fastsag::model
