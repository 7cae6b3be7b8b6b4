#pragma once
// The parts of the semantic block, trained on scores alone: "beat" (the sung line -> where its bar begins), "chord"
// (what is sung and was played -> triads, a cross-entropy) and "note" (chords and what is sung -> notes, a
// cross-entropy of pitch, length and velocity).
#include <memory>

#include "model/nn/beat_net.h"
#include "model/nn/chord_net.h"
#include "model/nn/note_generator.h"
#include "model/train/part.h"
#include "model/train/step_windows.h"

namespace fastsag::model {

class BeatPart : public NetPart<BeatNet, ScoreSplits> {
 public:
  explicit BeatPart(SharedScores scores, int64_t batch = 32) : NetPart("beat", std::move(scores), batch) {}
  PartOptions options() const override;
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  // Tracked voice, 10 s of it: ce; bar, beat: how often the likeliest place is the right one of 16, of the beat's 4.
  std::map<std::string, double> validate() override;
};

class ChordPart : public NetPart<ChordNet, ScoreSplits> {
 public:
  explicit ChordPart(SharedScores scores, int64_t batch = 16) : NetPart("chord", std::move(scores), batch) {}
  PartOptions options() const override;
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  // all_ce, all_exact (a beat of the window, after Viterbi): tracked voice, wholly heard; live_*: of the beats about
  // and after the point where the voice breaks off; cold_*: the song began with the window; written_*: melody as
  // written.
  std::map<std::string, double> validate() override;
};

class NotePart : public NetPart<NoteGenerator, ScoreSplits> {
 public:
  explicit NotePart(SharedScores scores, int64_t batch = 16) : NetPart("note", std::move(scores), batch) {}
  PartOptions options() const override;
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  // pitch_ce, accuracy, length_ce, velocity_ce a token, bars known, chords as annotated.
  std::map<std::string, double> validate() override;
};

}  // namespace fastsag::model
