#pragma once
// The semantic block of the lite preset: what is sung -> what shall be played. Chords a beat (chord net, Viterbi), then
// notes, sampled one after another (note generator), with the notes that were already played as their beginning.
//
// Units: positions are samples at 24 kHz on the room's timeline.
// Threads: plan() from one thread at a time. It keeps nothing between calls.
// Repeatable: every choice is a function of (seed, position of its step, number of the note), so windows that overlap
// choose alike where they know the same.
#include <span>

#include "dsp/melody.h"
#include "model/accompanist.h"
#include "model/lite/steps.h"
#include "model/nn/beat_net.h"
#include "model/nn/chord_net.h"
#include "model/nn/note_generator.h"
#include "model/plan.h"

namespace fastsag::model {

struct SemanticInput {
  std::span<const dsp::MelodyNote> melody;  // of the voice in [voice_begin, voice_end): the window and before it
  int64_t voice_begin = 0, voice_end = 0;
  float tuning = 0;                      // semitones that the singer is above concert pitch
  Pulse pulse;                           // period > 0
  const Plan* past = nullptr;            // the room's last plan, or null
  int64_t known_end = 0, write_end = 0;  // new notes start in [known_end, write_end)
  Controls controls;
};

class LiteSemantic {
 public:
  LiteSemantic();  // random weights; load "beat.", "chord." and "note." into the three modules
  // Past notes and chords that reach into the window as they were, new ones after them. Rests where nothing was sung
  // for kRestAfterSeconds.
  Plan plan(const SemanticInput& input);
  // The same into a plan that has been used, for its memory; what was sung is not the semantic block's to tell.
  void plan(const SemanticInput& input, Plan& plan);

  ChordNet chord_net;
  NoteGenerator note_generator;
  BeatNet beat_net;

  static constexpr double kRestAfterSeconds = 6;
};

}  // namespace fastsag::model
