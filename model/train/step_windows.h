#pragma once
// Windows of songs on the step grid, as the chord net and the note generator learn from them: cut, masked and spoilt
// the way they meet them live. The voice breaks off, the grid may start off the beat, and the tune went through a pitch
// tracker. What was played before is no part of them: chords are heard from the voice alone.
//
// Repeatable: a window is a function of the song and of the chance that is handed in.
#include <memory>
#include <vector>

#include "model/lite/chance.h"
#include "model/lite/steps.h"
#include "model/train/corpus.h"

namespace fastsag::model {

struct ScoreSplits {
  std::vector<Song> train, validate;
};
using SharedScores = std::shared_ptr<const ScoreSplits>;  // one a process
// Songs of fewer than 8 beats are left out. Throws where nothing remains of a corpus.
SharedScores load_scores(const std::vector<Corpus>& corpora);

// Seconds to beats of a song and back, beats being counted from its first annotated one.
class BeatMap {
 public:
  explicit BeatMap(const Song& song) : beats_(song.beats) {}
  double beat_at(double seconds) const;
  double seconds_at(double beat) const;
  int count() const { return static_cast<int>(beats_.size()); }
  // {beats of the bar around this beat, place of the beat in it}; {0, 0} where downbeats are not annotated.
  std::pair<int, int> bar_at(int beat) const;

 private:
  const std::vector<SongBeat>& beats_;
};

struct Spoiling {
  double tracker = 1;     // how much a pitch tracker errs: 0 = the melody as written, 1 = typical
  bool bars = false;      // are bars known
  int off_beat = 0;       // steps that the grid starts late
  double grid_shift = 0;  // steps, for all onsets
  int transpose = 0;      // everything
  int voice_octave = 0;   // the voice alone
};

enum class Hearing {
  all,      // everything; all chords are to be guessed
  delayed,  // everything but a part of a beat; the last one to four seconds are to be guessed
  live,     // the voice breaks off up to 3.5 s before the end; to be guessed is what begins up to 2 s further
};

struct TrainingWindow {
  StepWindow heard;
  std::vector<StepChord> chords;  // annotated, one a step
  std::vector<StepChord> song;    // annotated, one a beat of all that the chord net looks back on
  dsp::Pooled<ScoreNote> score;   // the true accompaniment
  int unknown_from = 0;           // first step whose chord is to be guessed
};

// The window that starts on beat `first` (the grid has steps_per_beat steps a beat of the song: 4, or 2 or 8 where the
// tempo was heard an octave off).
TrainingWindow window_at(const Song& song, int first, int steps_per_beat, Hearing hearing, const Spoiling& spoiling,
                         Chance& chance);
// The same with everything drawn: song, place, hearing, spoiling. Mostly where somebody sings.
TrainingWindow random_window(const std::vector<Song>& songs, Chance& chance);

struct BeatWindow {
  StepWindow heard;  // 16ths, starting anywhere; as much of the voice as a room knows
  int place = 0;     // of step 0 in its bar, in 16ths
};
// Where somebody sings, in a bar of four beats. Throws where there is no such bar.
BeatWindow random_beat_window(const std::vector<Song>& songs, Chance& chance);

}  // namespace fastsag::model
