#include "model/lite/semantic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "model/chord_reader.h"
#include "model/lite/steering.h"

namespace fastsag::model::semantic_test {
namespace {

constexpr int64_t kSecond = kSampleRate;
constexpr double kBeat = 14400;  // 100 beats a minute

// A tune in C major, a note a beat from 1 s on, sung a quarter of a semitone sharp.
std::vector<dsp::MelodyNote> tune(int64_t end) {
  std::vector<dsp::MelodyNote> melody;
  const std::array<float, 8> keys = {60, 64, 67, 65, 62, 71, 72, 67};
  size_t i = 0;
  for (int64_t at = kSecond; at + 12000 < end; at += 14400)
    melody.push_back({at, at + 12000, keys[i++ % 8] + 0.25f, 0.9f});
  return melody;
}

SemanticInput input(const std::vector<dsp::MelodyNote>& melody) {
  SemanticInput in;
  in.melody = melody;
  in.voice_end = 10 * kSecond;
  in.tuning = 0.25f;
  in.pulse = {.period = kBeat, .origin = 5000};
  in.known_end = 6 * kSecond;
  in.write_end = 9 * kSecond;
  return in;
}

LiteSemantic untrained() {
  torch::set_num_threads(1);
  torch::manual_seed(11);
  return {};
}

TEST(LiteSemantic, WritesOnTheGridInsideItsSpan) {
  LiteSemantic semantic = untrained();
  const auto melody = tune(10 * kSecond);
  const Plan plan = semantic.plan(input(melody));
  ASSERT_GT(plan.notes.size(), 5u);
  for (const Note& note : plan.notes) {
    EXPECT_TRUE(note.onset >= 6 * kSecond && note.onset < 9 * kSecond);
    EXPECT_GE(note.release - note.onset, kSampleRate * 3 / 100);
    const double steps = (static_cast<double>(note.onset) - 5000) / (kBeat / 4);
    EXPECT_NEAR(steps, std::round(steps), 0.5 / (kBeat / 4) + 1e-9);  // rounded to a sample
  }
  EXPECT_TRUE(std::ranges::is_sorted(plan.notes, {}, [](const Note& n) { return std::pair(n.onset, n.pitch); }));
  ASSERT_FALSE(plan.chords.empty());
  EXPECT_LE(plan.chords.front().from, 6 * kSecond + static_cast<int64_t>(kBeat));
  EXPECT_LT(plan.chords.back().from, 9 * kSecond);
}

TEST(LiteSemantic, TheSameRequestGivesTheSamePlanAndAnotherSeedAnother) {
  LiteSemantic semantic = untrained();
  const auto melody = tune(10 * kSecond);
  SemanticInput in = input(melody);
  const Plan first = semantic.plan(in);
  EXPECT_EQ(semantic.plan(in).notes, first.notes);
  in.controls.seed = 2;
  EXPECT_NE(semantic.plan(in).notes, first.notes);
}

TEST(LiteSemantic, KeepsWhatWasPlayedNoteByNote) {
  LiteSemantic semantic = untrained();
  const auto melody = tune(11 * kSecond);
  SemanticInput in = input(melody);
  const Plan past = semantic.plan(in);
  in.past = &past;
  in.voice_begin = kSecond;
  in.voice_end = 11 * kSecond;
  in.known_end = 7 * kSecond;
  in.write_end = 10 * kSecond;
  const Plan next = semantic.plan(in);
  const auto before = [](const Plan& plan, int64_t end) {
    std::vector<Note> out;
    for (const Note& note : plan.notes)
      if (note.onset < end) out.push_back(note);
    return out;
  };
  EXPECT_GT(before(past, in.known_end).size(), 0u);
  EXPECT_EQ(before(next, in.known_end), before(past, in.known_end));
  for (const Chord& chord : past.chords)  // half a beat: a beat belongs to the side that its middle lies on
    if (chord.from < in.known_end - static_cast<int64_t>(kBeat / 2)) {
      EXPECT_THAT(next.chords, testing::Contains(chord));
    }
}

TEST(LiteSemantic, SilenceGivesRests) {
  LiteSemantic semantic = untrained();
  const Plan plan = semantic.plan(input({}));
  EXPECT_TRUE(plan.notes.empty());
  EXPECT_FALSE(plan.key.has_value());
  for (const Chord& chord : plan.chords) EXPECT_EQ(chord.quality, Quality::none);
}

TEST(LiteSemantic, StopsSixSecondsAfterTheLastSungNote) {
  LiteSemantic semantic = untrained();
  const std::vector<dsp::MelodyNote> melody = {{0, kSecond, 60.25f, 1}, {kSecond, 2 * kSecond, 64.25f, 1}};
  const Plan plan = semantic.plan(input(melody));
  ASSERT_FALSE(plan.notes.empty());
  EXPECT_LT(plan.notes.back().onset, 8 * kSecond);  // 2 s + 6 s, though it might write up to 9 s
}

// Syllables: short notes close to each other, `held` of a second each `every`th.
std::vector<dsp::MelodyNote> spoken(int every, double held) {
  std::vector<dsp::MelodyNote> melody;
  int64_t at = 0;
  for (int n = 0; at + kSecond < 10 * kSecond; ++n) {
    const auto length = static_cast<int64_t>((n % every == 0 ? held : .125) * kSecond);
    melody.push_back({at, at + length, 45.25f + static_cast<float>(n * 7 % 5), .85f});
    at += length + kSecond / 16;
  }
  return melody;
}

TEST(LiteSemantic, RestsWhereSyllablesAreSpokenAndNotesAreNotHeld) {
  LiteSemantic semantic = untrained();
  EXPECT_TRUE(semantic.plan(input(spoken(1000, .125))).notes.empty());
  const Plan once = semantic.plan(input(spoken(1000, .5)));  // a sigh at the beginning: awake for 6 s, to 6.5
  ASSERT_FALSE(once.notes.empty());
  EXPECT_LT(once.notes.back().onset, 13 * kSecond / 2);
  const Plan patter = semantic.plan(input(spoken(5, .35)));  // two fifths of the time in notes of .35 s: sung
  EXPECT_GT(patter.notes.back().onset, 17 * kSecond / 2);
}

TEST(LiteSemantic, RestsToAHumThoughItHasAPitch) {
  LiteSemantic semantic = untrained();
  std::vector<dsp::MelodyNote> melody;
  for (int64_t n = 0; n < 9; ++n)  // as a tracker loses and finds it
    melody.push_back({n * kSecond, n * kSecond + 3 * kSecond / 4, n % 2 ? 43.35f : 43.4f, .9f});
  EXPECT_TRUE(semantic.plan(input(melody)).notes.empty());
  melody[3].pitch = 45;
  EXPECT_FALSE(semantic.plan(input(melody)).notes.empty()) << "two pitches are a tune";
}

TEST(LiteSemantic, HearsTheKey) {
  LiteSemantic semantic = untrained();
  const auto melody = tune(10 * kSecond);
  const Plan plan = semantic.plan(input(melody));
  ASSERT_TRUE(plan.key.has_value());
  EXPECT_EQ(chord_name(*plan.key), "C");
  EXPECT_GT(plan.key->confidence, 0.5f);
}

// A song of 24 s, window by window as the engine asks for it; the last plan of every place.
Plan perform(LiteSemantic& semantic, const Controls& controls, const Pulse& pulse) {
  const auto melody = tune(24 * kSecond);
  constexpr int64_t kHop = 2 * kSecond;
  Plan song, last;
  for (int64_t known = 0; known < 20 * kSecond; known += kHop) {
    SemanticInput in = input(melody);
    in.voice_begin = std::max<int64_t>(0, known - 8 * kSecond);
    in.voice_end = known + kHop;
    std::vector<dsp::MelodyNote> heard;
    for (const auto& note : melody)
      if (note.onset >= in.voice_begin && note.release <= in.voice_end) heard.push_back(note);
    in.melody = heard;
    in.pulse = pulse;
    in.known_end = known;
    in.write_end = known + kHop + kSecond / 2;
    in.past = known > 0 ? &last : nullptr;
    in.controls = controls;
    last = semantic.plan(in);
    song.key = last.key;
    for (const Note& note : last.notes)
      if (note.onset >= known && note.onset < known + kHop) song.notes.push_back(note);
    while (!song.chords.empty() && song.chords.back().from >= known) song.chords.pop_back();
    for (const Chord& chord : last.chords)
      if (song.chords.empty() || chord.from > song.chords.back().from) song.chords.push_back(chord);
  }
  return song;
}

Chord sounding(const Plan& plan, int64_t position) {
  const auto next = std::ranges::upper_bound(plan.chords, position, {}, &Chord::from);
  return next == plan.chords.begin() ? Chord{} : *std::prev(next);
}

TEST(LiteSemantic, PlaysTheChartFromItsFirstBarOn) {
  LiteSemantic semantic = untrained();
  Controls controls;
  controls.chart = std::make_shared<const Chart>(read_chart("{time: 3/4}\n| F#m | B C#7 . | N.C. | Eb |"));
  controls.pulse = {.period = kBeat, .origin = 5000, .confidence = 1};
  const Plan song = perform(semantic, controls, *controls.pulse);
  EXPECT_GT(song.notes.size(), 20u);
  int right = 0, all = 0, silent = 0;
  for (int64_t beat = 3; beat < 32; ++beat, ++all) {  // the tune begins at beat 1.3
    const auto middle = static_cast<int64_t>(5000 + (static_cast<double>(beat) + 0.5) * kBeat);
    const Chord found = sounding(song, middle), wanted = controls.chart->at(beat);
    right += found.root == wanted.root && found.quality == wanted.quality;
    EXPECT_TRUE(found.quality == Quality::none || found.confidence == 1);
    if (wanted.quality != Quality::none) continue;
    for (const Note& note : song.notes) {
      silent += std::abs(note.onset - middle) < static_cast<int64_t>(kBeat / 2) - 1;
      silent += note.onset < middle && note.release > middle;
    }
  }
  EXPECT_EQ(right, all);
  EXPECT_EQ(silent, 0) << "notes where the chart has no chord";
}

TEST(LiteSemantic, StaysInALockedKeyWhateverIsSung) {
  LiteSemantic semantic = untrained();
  for (const char* name : {"F#", "C#m"}) {
    Controls controls;
    controls.key = read_key(name);
    const Plan song = perform(semantic, controls, {.period = kBeat, .origin = 5000});
    EXPECT_EQ(song.key, controls.key);
    EXPECT_EQ(song.key->confidence, 1);
    int chords = 0;
    for (const Chord& chord : song.chords)
      if (chord.quality != Quality::none) {
        EXPECT_TRUE(triads_of(*controls.key) >> triad_index({chord.root, chord.quality}) & 1) << chord_name(chord);
        ++chords;
      }
    EXPECT_GT(chords, 0);
    size_t in_key = 0;
    for (const Note& note : song.notes) {
      const Chord chord = sounding(song, note.onset);
      in_key += pitch_classes(*controls.key, {chord.root, chord.quality}) >> note.pitch % 12 & 1;
    }
    EXPECT_GT(song.notes.size(), 20u);
    EXPECT_EQ(in_key, song.notes.size()) << name;
  }
}

}  // namespace
}  // namespace fastsag::model::semantic_test
