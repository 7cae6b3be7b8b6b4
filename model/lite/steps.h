#pragma once
// Melody, past notes and chords on a grid of steps, as the chord net and the note generator read them. Training and
// live use come through here both, so a feature cannot mean two things.
//
// Shapes/units: a step is a 16th, a quarter of a beat. A window is kWindowSteps steps and starts on a beat. Times in
// a window are in steps from its start and need not be whole. Arrays are row-major, one row a step.
#include <array>
#include <cstdint>
#include <span>

#include "dsp/pool.h"
#include "model/plan.h"

namespace fastsag::model {

inline constexpr int kStepsPerBeat = 4;
inline constexpr int kWindowBeats = 24;  // 11 s at 130 beats a minute, 24 s at 60
inline constexpr int kWindowSteps = kWindowBeats * kStepsPerBeat;
// What the chord net looks back on: it ends with the window and begins before it, at a negative step.
inline constexpr int kSongBeats = 96;
inline constexpr int kSongSteps = kSongBeats * kStepsPerBeat, kSongBegin = kWindowSteps - kSongSteps;
inline constexpr int kTriads = 24;  // root * 2 + (minor ? 1 : 0)

struct StepNote {
  double onset = 0, release = 0;
  int pitch = 60;
  int velocity = 80;
  bool operator==(const StepNote&) const = default;
};

struct StepWindow {
  // As heard, ascending; what lies outside the voice span is not looked at. It may go back to kSongBegin.
  dsp::Pooled<StepNote> melody;
  dsp::Pooled<StepNote> past;             // accompaniment as played, which the note generator goes on from
  double voice_begin = 0, voice_end = 0;  // where the voice is known, be it silent
  int bar_beats = 0;                      // beats a bar, 0 = not known
  int first_beat = 0;                     // place of the window's first beat in its bar
};

// What the chord net reads, of steps [kSongBegin, kWindowSteps). pitches: [step][pitch class][kPitchFeatures] melody
// sounding, melody onset, melody within 8 steps, all of the melody. scalars: [step][kStepScalars] the voice is known,
// beats / 4 since it was, place in the beat.
inline constexpr int kPitchFeatures = 4;
inline constexpr int kStepScalars = 6;
struct ChordFeatures {
  dsp::Pooled<float> pitches, scalars;
};
ChordFeatures chord_features(const StepWindow& window);

struct StepChord {
  int root = 0;
  Quality quality = Quality::none;
  bool operator==(const StepChord&) const = default;
};
int triad_index(const StepChord& chord);  // -1 where there is none
StepChord triad(int index);

// How busy and how loud, as a person may wish it; negative = as the model likes.
struct Style {
  float notes_per_step = -1;
  float velocity = -1;
};

// What the beat net reads: [step][kBeatFeatures] a note begins, ln(1 + its steps), semitones / 6 from the note before,
// the same pitch again, sounding, the voice is known, steps / 2 that the onset is late.
inline constexpr int kBeatFeatures = 7, kBeatKnown = 5;
inline constexpr int kBarSteps = 16;  // of four beats
dsp::Pooled<float> beat_features(const StepWindow& window);

// What the note generator reads of each step beside the notes: chord, the next beat's chord, melody against the chord,
// place in the bar, style.
inline constexpr int kNoteConditions = 70;
dsp::Pooled<float> note_conditions(const StepWindow& window, std::span<const StepChord> chords, const Style& style);

// A note as the generator writes it: on a step, of one of 11 lengths and 8 velocities.
inline constexpr std::array kLengths = {0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 16.0};
inline constexpr int kVelocities = 8;
inline constexpr int kLowestPitch = 21, kHighestPitch = 108;
inline constexpr int kNotesPerStep = 6;
struct ScoreNote {
  int step = 0;
  int pitch = 60;
  int length = 0;    // index into kLengths
  int velocity = 0;  // index, velocity_of
  bool operator==(const ScoreNote&) const = default;
};
int velocity_of(int index);
// Ascending by step, then pitch; a pitch once a step; kNotesPerStep at most (the lowest and the highest stay); those
// that fall outside [0, kWindowSteps) or the piano are left out.
dsp::Pooled<ScoreNote> quantise(std::span<const StepNote> notes);

}  // namespace fastsag::model
