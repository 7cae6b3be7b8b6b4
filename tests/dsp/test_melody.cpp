#include "dsp/melody.h"

#include <cmath>
#include <fstream>

#include "dsp/resampler.h"
#include "tests/support/audio.h"
#include "tests/support/shared.h"
#include "tests/support/sung.h"

namespace fastsag::dsp {
namespace {

using test::Singing;
using test::SungNote;

Pooled<MelodyNote> heard(std::span<const SungNote> notes, const Singing& how = {}) {
  const double seconds = notes.back().onset + notes.back().duration + 0.2;
  return segment_melody(track_f0(test::sung(notes, seconds, how)), 0);
}

// Sung notes that were heard within 50 ms and half a semitone.
int found(std::span<const SungNote> notes, std::span<const MelodyNote> melody) {
  return static_cast<int>(std::ranges::count_if(notes, [&](const SungNote& note) {
    return std::ranges::any_of(melody, [&](const MelodyNote& m) {
      return std::abs(static_cast<double>(m.onset) / 24000 - note.onset) < 0.05 && std::abs(m.pitch - note.pitch) < 0.5;
    });
  }));
}

TEST(Melody, NothingSungGivesNoNotes) {
  EXPECT_TRUE(segment_melody({}, 0).empty());
  EXPECT_TRUE(segment_melody(track_f0(std::vector<float>(48000)), 0).empty());
}

TEST(Melody, PositionsAreAbsolute) {
  const SungNote note{0.5, 0.5, 60};
  const auto frames = track_f0(test::sung(std::span(&note, 1), 1.5));
  const auto here = segment_melody(frames, 0), later = segment_melody(frames, 1'000'000'000'000);
  ASSERT_EQ(here.size(), 1u);
  ASSERT_EQ(later.size(), 1u);
  EXPECT_EQ(later[0].onset - here[0].onset, 1'000'000'000'000);
  EXPECT_NEAR(static_cast<double>(here[0].onset), 12000, 480) << "two frames";
  EXPECT_NEAR(static_cast<double>(here[0].release), 24000, 480);
  EXPECT_NEAR(here[0].pitch, 60, 0.05);
  EXPECT_GT(here[0].confidence, 0.9);
}

TEST(Melody, VibratoOfASemitoneEachWayIsOneNote) {
  for (const double depth : {0.3, 0.6, 1.0}) {
    const SungNote note{0.2, 3, 64.3};
    const auto melody = heard(std::span(&note, 1), {.vibrato = depth});
    ASSERT_EQ(melody.size(), 1u) << depth;
    EXPECT_NEAR(melody[0].pitch, 64.3, 0.15) << depth;
  }
}

TEST(Melody, WhatIsFarSofterThanTheSingerIsNotSung) {
  const SungNote note{0.5, 1, 60};
  const auto voice = test::sung(std::span(&note, 1), 2);
  const auto frames = track_f0(voice);
  EXPECT_EQ(segment_melody(frames, 0, loud_db(frames) + 15).size(), 1u) << "a soft phrase";
  EXPECT_TRUE(segment_melody(frames, 0, loud_db(frames) + 20).empty()) << "18 dB";
}

TEST(Melody, ABassBelowAllThatIsSungIsNoNote) {
  const SungNote notes[] = {{0.2, 0.6, 64}, {0.8, 0.6, 67}, {1.6, 0.3, 45}, {2.0, 0.6, 64}};
  const auto melody = heard(notes);
  EXPECT_EQ(found(notes, melody), 3);
  EXPECT_TRUE(std::ranges::none_of(melody, [](const MelodyNote& note) { return note.pitch < 50; }));
}

TEST(Melody, ASlowDipOfEightDecibelsIsNoNewNoteAndAFastOneIs) {
  const SungNote note{0.2, 1.6, 60};
  auto frames = track_f0(test::sung(std::span(&note, 1), 2));
  for (const int slope : {2, 12}) {  // frames from the bottom of the dip to the top
    auto dipped = frames;
    for (int k = -slope; k <= slope; ++k)
      dipped[static_cast<size_t>(100 + k)].rms_db -=
          8.0f * static_cast<float>(slope - std::abs(k)) / static_cast<float>(slope);
    EXPECT_EQ(segment_melody(dipped, 0).size(), slope == 2 ? 2u : 1u);
  }
}

TEST(Melody, SlideBetweenNotesIsNoNote) {
  const SungNote notes[] = {{0.2, 0.6, 57}, {0.8, 0.6, 64}, {1.4, 0.6, 60}};
  const auto melody = heard(notes, {.slide_s = 0.08});
  ASSERT_EQ(melody.size(), 3u);
  for (size_t i = 1; i < 3; ++i) {
    const double onset = static_cast<double>(melody[i].onset) / 24000;
    EXPECT_GE(onset, notes[i].onset) << "a note begins where its slide does, at the earliest,";
    EXPECT_LE(onset, notes[i].onset + 0.09) << "and at its end, give or take a frame, at the latest";
    EXPECT_NEAR(melody[i].pitch, notes[i].pitch, 0.2);
  }
}

TEST(Melody, RepeatedNotesAreSplit) {
  std::vector<SungNote> notes;
  for (int i = 0; i < 8; ++i) notes.push_back({0.2 + 0.3 * i, 0.27, 62});
  const auto melody = heard(notes);
  EXPECT_EQ(melody.size(), 8u);
  EXPECT_EQ(found(notes, melody), 8);
}

TEST(Melody, MisheardOctaveIsRepaired) {
  std::vector<F0Frame> frames;
  for (const float pitch : {60.f, 72.2f, 60.5f})
    frames.insert(frames.end(), 20, {440 * std::exp2((pitch - 69) / 12), 0.9f, -20});
  const auto melody = segment_melody(frames, 0);
  ASSERT_FALSE(melody.empty());
  for (const MelodyNote& note : melody) EXPECT_NEAR(note.pitch, 60.3, 0.5);
}

TEST(Melody, TuningIsFoundWithinFiveCents) {
  for (const double tuning : {-0.4, -0.2, 0.0, 0.17, 0.35}) {
    std::vector<SungNote> notes;
    for (int i = 0; i < 8; ++i) notes.push_back({0.2 + 0.4 * i, 0.35, 55 + 2 * i + tuning});
    EXPECT_NEAR(estimate_tuning(track_f0(test::sung(notes, 4, {.vibrato = 0.2}))), tuning, 0.05);
  }
  EXPECT_EQ(estimate_tuning({}), 0);
}

// Lines as people sing them: notes of 120 ms to a second, steps up to a fifth, vibrato, slides, breath.
TEST(Melody, RandomLinesAreWrittenDown) {
  std::mt19937 random(11);
  const auto uniform = [&](double a, double b) { return std::uniform_real_distribution(a, b)(random); };
  int sung = 0, right = 0, heard_notes = 0;
  for (int line = 0; line < 10; ++line) {
    std::vector<SungNote> notes;
    double t = 0.3, pitch = std::floor(uniform(50, 70));
    while (t < 9) {
      const double length = std::exp(uniform(std::log(0.12), 0.0));
      notes.push_back({t, length * (random() % 3 ? 1 : 0.8), pitch});
      const double step = std::floor(uniform(1, 8));
      pitch += (random() % 2 ? step : -step) + (pitch > 74 ? -8 : pitch < 48 ? 8 : 0);
      t += length;
    }
    const auto melody = heard(notes, {.vibrato = uniform(0, 0.5), .slide_s = uniform(0.01, 0.05), .noise_db = -25});
    for (size_t i = 0; i < melody.size(); ++i) {
      EXPECT_GT(melody[i].release, melody[i].onset);
      if (i > 0) {
        EXPECT_GE(melody[i].onset, melody[i - 1].release);
      }
    }
    sung += static_cast<int>(notes.size());
    heard_notes += static_cast<int>(melody.size());
    right += found(notes, melody);
  }
  const double f1 = 2.0 * right / (sung + heard_notes);
  std::printf("note F1 (50 ms, half a semitone) %.3f\n", f1);
  EXPECT_GT(f1, 0.93) << "a perfect pitch track still blurs the shortest notes";
}

// Two people who annotate the same singing agree to about .75 by this measure; so does a good transcriber with one.
TEST(Melody, RealSinger) {
  const auto folder = test::shared("data/singing");
  FASTSAG_NEEDS(folder / "vocadito_1_notesA1.csv");
  const auto audio = test::read_audio(folder / "vocadito_1.flac");
  const auto melody = segment_melody(track_f0(resample(audio.mono, audio.sample_rate, 24000)), 0);
  std::vector<SungNote> notes;
  std::ifstream csv(folder / "vocadito_1_notesA1.csv");
  double onset, hz, duration;
  char comma;
  while (csv >> onset >> comma >> hz >> comma >> duration)
    notes.push_back({onset, duration, 69 + 12 * std::log2(hz / 440)});
  ASSERT_GT(notes.size(), 40u);
  const double f1 = 2.0 * found(notes, melody) / static_cast<double>(notes.size() + melody.size());
  std::printf("note F1 %.3f, %zu notes for %zu\n", f1, melody.size(), notes.size());
  EXPECT_GT(f1, 0.7);
}

}  // namespace
}  // namespace fastsag::dsp
