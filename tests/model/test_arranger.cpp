// Bass, strings and drums on a plan that is written here: four bars of Am F C G at 96 bpm, bars known.
#include "model/lite/arranger.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace fastsag::model::arranger_test {
namespace {

constexpr int64_t kBeat = kSampleRate * 60 / 96, kBar = 4 * kBeat, kSong = 16 * kBar;

Plan song() {
  Plan plan;
  plan.pulse = {.period = kBeat, .origin = 0, .beats_per_bar = 4, .downbeat = 0, .confidence = .9f};
  for (int bar = 0; bar < 16; ++bar) {
    static constexpr std::array kRoots = {9, 5, 0, 7};
    const int root = kRoots[static_cast<size_t>(bar % 4)];
    plan.chords.push_back({bar * kBar, root, root == 9 ? Quality::minor : Quality::major, .8f});
  }
  return plan;
}

Plan arranged(Plan plan, Ensemble ensemble, int64_t known_end = 0, int64_t write_end = kSong, uint64_t seed = 1) {
  arrange(plan, {.ensemble = ensemble, .seed = seed, .known_end = known_end, .write_end = write_end});
  return plan;
}

std::vector<Note> of(const Plan& plan, int channel, int64_t from = 0, int64_t to = kSong) {
  std::vector<Note> notes;
  std::ranges::copy_if(plan.notes, std::back_inserter(notes), [&](const Note& note) {
    return note.channel == channel && note.onset >= from && note.onset < to;
  });
  return notes;
}

bool in_chord(const Note& note, const Plan& plan) {
  const auto next = std::ranges::upper_bound(plan.chords, note.onset, {}, &Chord::from);
  const Chord& chord = *std::prev(next);
  const int interval = ((note.pitch - chord.root) % 12 + 12) % 12;
  return interval == 0 || interval == 7 || interval == (chord.quality == Quality::minor ? 3 : 4);
}

TEST(Arranger, ThePianoAloneIsLeftAlone) { EXPECT_TRUE(arranged(song(), Ensemble::piano).notes.empty()); }

TEST(Arranger, EachEnsembleHasItsInstruments) {
  const Plan band = arranged(song(), Ensemble::band), strings = arranged(song(), Ensemble::strings);
  EXPECT_FALSE(of(band, kBassChannel).empty());
  EXPECT_FALSE(of(band, kDrumsChannel).empty());
  EXPECT_TRUE(of(band, kStringsChannel).empty());
  EXPECT_EQ(of(strings, kStringsChannel).size(), 16u * 4) << "four voices a bar, held";
  EXPECT_EQ(strings.notes.size(), 16u * 4) << "nobody else";
}

TEST(Arranger, TheSameSeedTheSameNotes) {
  EXPECT_EQ(arranged(song(), Ensemble::band).notes, arranged(song(), Ensemble::band).notes);
  std::set<std::vector<int>> bass_lines;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    std::vector<int> line;
    for (const Note& note : of(arranged(song(), Ensemble::band, 0, kSong, seed), kBassChannel))
      line.push_back(note.pitch);
    bass_lines.insert(line);
  }
  EXPECT_GE(bass_lines.size(), 5u) << "of 8 seeds";
}

TEST(Arranger, BassIsInTheChordOnTheBeatAndOnTheRootWhereItChanges) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const Plan plan = arranged(song(), Ensemble::band, 0, kSong, seed);
    const auto bass = of(plan, kBassChannel);
    int changes = 0;
    for (const Note& note : bass) {
      EXPECT_GE(note.pitch, 31);
      EXPECT_LE(note.pitch, 52);
      EXPECT_TRUE(note.onset % kBeat != 0 || in_chord(note, plan)) << note.pitch << " at " << note.onset / kBeat;
      const auto chord = std::ranges::find(plan.chords, note.onset, &Chord::from);
      if (chord == plan.chords.end()) continue;
      ++changes;
      EXPECT_EQ(note.pitch % 12, chord->root);
    }
    EXPECT_EQ(changes, 16) << "every change is played";
    for (size_t i = 1; i < bass.size(); ++i) EXPECT_LE(bass[i - 1].release, bass[i].onset) << "one voice";
  }
}

TEST(Arranger, StringsAreTheTriadAndMoveLittle) {
  const Plan plan = arranged(song(), Ensemble::strings);
  const auto strings = of(plan, kStringsChannel);
  for (const Note& note : strings) {
    EXPECT_TRUE(in_chord(note, plan));
    EXPECT_EQ(note.release - note.onset, kBar) << "held until the next chord";
    EXPECT_LE(note.velocity, 70) << "a bed";
  }
  for (size_t bar = 1; bar < 16; ++bar)
    for (size_t voice = 1; voice < 4; ++voice)
      EXPECT_LE(std::abs(strings[bar * 4 + voice].pitch - strings[bar * 4 + voice - 4].pitch), 5) << "no jumps";
}

TEST(Arranger, EveryFourthBarEndsInAFillAndTheNextBeginsWithACrash) {
  const Plan plan = arranged(song(), Ensemble::band);
  std::vector<int64_t> crashes;
  for (const Note& note : of(plan, kDrumsChannel))
    if (note.pitch == 49) crashes.push_back(note.onset / kBar);
  EXPECT_EQ(crashes, (std::vector<int64_t>{0, 4, 8, 12}));
  for (int bar = 0; bar < 16; ++bar) {
    int hats = 0;
    for (const Note& note : of(plan, kDrumsChannel, bar * kBar + 3 * kBeat, (bar + 1) * kBar)) hats += note.pitch == 42;
    EXPECT_EQ(hats, bar % 4 == 3 ? 0 : 2) << "bar " << bar;
  }
}

TEST(Arranger, WindowsThatOverlapAgreeAndWhatWasPlayedStays) {
  for (const Ensemble ensemble : {Ensemble::band, Ensemble::strings}) {
    const Plan whole = arranged(song(), ensemble);
    Plan window = song();
    for (int64_t begin = 0; begin < kSong; begin += kSampleRate) {
      std::erase_if(window.notes, [begin](const Note& note) { return note.onset >= begin; });  // what was not played
      const auto played = window.notes;
      window = arranged(window, ensemble, begin, std::min(kSong, begin + 3 * kSampleRate));
      for (const Note& note : played) EXPECT_NE(std::ranges::find(window.notes, note), window.notes.end());
    }
    EXPECT_EQ(window.notes, whole.notes) << "hops of a second make the song that one stroke makes";
  }
}

TEST(Arranger, AGridThatMovesALittleStrikesNothingTwice) {
  Plan plan = arranged(song(), Ensemble::band, 0, 2 * kBar);
  const size_t hats = static_cast<size_t>(std::ranges::count(of(plan, kDrumsChannel), 42, &Note::pitch));
  plan.pulse.origin = 700;  // 29 ms
  plan = arranged(plan, Ensemble::band, 2 * kBar, 4 * kBar);
  const auto later = of(plan, kDrumsChannel);
  for (const Note& a : later)
    for (const Note& b : later) EXPECT_TRUE(&a == &b || a.pitch != b.pitch || std::abs(a.onset - b.onset) > kBeat / 8);
  EXPECT_GE(static_cast<size_t>(std::ranges::count(later, 42, &Note::pitch)), 2 * hats - 3);
}

TEST(Arranger, NobodyPlaysWhereThePlanRests) {
  Plan plan = song();
  plan.chords[5] = {.from = 5 * kBar};
  plan.chords[6] = {.from = 6 * kBar};
  for (const Ensemble ensemble : {Ensemble::band, Ensemble::strings}) {
    const Plan made = arranged(plan, ensemble);
    for (const Note& note : made.notes) {
      EXPECT_TRUE(note.onset < 5 * kBar || note.onset >= 7 * kBar);
      EXPECT_TRUE(note.onset > 5 * kBar || note.channel == kDrumsChannel || note.release <= 5 * kBar);
    }
    EXPECT_FALSE(of(made, ensemble == Ensemble::band ? kBassChannel : kStringsChannel, 7 * kBar).empty());
  }
}

TEST(Arranger, ANoteHeldIntoAChordThatBecameAnotherEndsThere) {
  Plan plan = arranged(song(), Ensemble::strings, 0, kBar);
  plan.chords.insert(plan.chords.begin() + 1, {2 * kBeat, 2, Quality::minor, .5f});
  plan = arranged(plan, Ensemble::strings, kBeat, kBar);
  for (const Note& note : of(plan, kStringsChannel, 0, 1)) EXPECT_EQ(note.release, 2 * kBeat);
}

TEST(Arranger, BarsUnknownGiveAShakerAndAGuessedPulseGivesNoDrums) {
  Plan plan = song();
  plan.pulse.beats_per_bar = 0;
  for (const Note& note : of(arranged(plan, Ensemble::band), kDrumsChannel)) {
    EXPECT_TRUE(note.pitch == 70 || (note.pitch == 36 && note.onset % kBar == 0)) << note.pitch;
    EXPECT_LE(note.velocity, 70);
  }
  EXPECT_FALSE(of(arranged(plan, Ensemble::band), kBassChannel).empty());
  plan.pulse.confidence = kSurePulse / 2;
  EXPECT_TRUE(of(arranged(plan, Ensemble::band), kDrumsChannel).empty());
  for (const Note& note : of(arranged(plan, Ensemble::band), kBassChannel)) EXPECT_TRUE(in_chord(note, plan));
}

TEST(Arranger, BarsOfThreeHaveTheirOwnBeat) {
  Plan plan = song();
  plan.pulse.beats_per_bar = 3;
  std::set<int64_t> kicks;
  for (const Note& note : of(arranged(plan, Ensemble::band), kDrumsChannel))
    if (note.pitch == 36) kicks.insert(note.onset % (3 * kBeat));
  EXPECT_EQ(kicks, std::set<int64_t>{0});
}

TEST(Arranger, StylesAreThoseOfTheWire) {
  for (const auto name : kEnsembles) EXPECT_EQ(name_of(*ensemble_of(name)), name);
  EXPECT_FALSE(ensemble_of("tuba"));
}

}  // namespace
}  // namespace fastsag::model::arranger_test
