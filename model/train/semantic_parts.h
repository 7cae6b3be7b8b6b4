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

class BeatPart : public Part {
 public:
  explicit BeatPart(SharedScores scores, int64_t batch = 32) : scores_(std::move(scores)), batch_(batch) {}
  std::string name() const override { return "beat"; }
  torch::nn::Module& module() override { return *net_; }
  BeatNet net() { return net_; }
  PartOptions options() const override;
  int64_t batch() const override { return batch_; }
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  // Tracked voice, 10 s of it: ce; bar, beat: how often the likeliest place is the right one of 16, of the beat's 4.
  std::map<std::string, double> validate() override;

 private:
  SharedScores scores_;
  int64_t batch_;
  BeatNet net_;
};

class ChordPart : public Part {
 public:
  explicit ChordPart(SharedScores scores, int64_t batch = 16) : scores_(std::move(scores)), batch_(batch) {}
  std::string name() const override { return "chord"; }
  torch::nn::Module& module() override { return *net_; }
  ChordNet net() { return net_; }
  PartOptions options() const override;
  int64_t batch() const override { return batch_; }
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  // From the voice alone. all_ce, all_exact (a step, after Viterbi): tracked voice, wholly heard; live_*: of the steps
  // about and after the point where the voice breaks off; written_*: melody as written, bars known.
  std::map<std::string, double> validate() override;

 private:
  SharedScores scores_;
  int64_t batch_;
  ChordNet net_;
};

class NotePart : public Part {
 public:
  explicit NotePart(SharedScores scores, int64_t batch = 16) : scores_(std::move(scores)), batch_(batch) {}
  std::string name() const override { return "note"; }
  torch::nn::Module& module() override { return *net_; }
  NoteGenerator net() { return net_; }
  PartOptions options() const override;
  int64_t batch() const override { return batch_; }
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  // pitch_ce, accuracy, length_ce, velocity_ce a token, bars known, chords as annotated.
  std::map<std::string, double> validate() override;

 private:
  SharedScores scores_;
  int64_t batch_;
  NoteGenerator net_;
};

}  // namespace fastsag::model
