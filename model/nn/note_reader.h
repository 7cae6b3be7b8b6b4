#pragma once
// How the note generator is asked while it writes: shown tokens, it says what may come next. Two ways of the same
// numbers: an operator at a time, and packed weights with a memory of their own for inference on the CPU.
//
// Threads: one thread an object.
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "model/nn/dense.h"

namespace fastsag::model {

// A STEP token has interval kEndOfStep and pitch, length, velocity 0; a note has pitch - 20 (1..88).
struct NoteToken {
  int step = 0, interval = 0, pitch = 0, length = 0, velocity = 0;
};

class NoteReader {
 public:
  virtual ~NoteReader() = default;
  // A new window: conditions [steps][kNoteConditions]; as many tokens as this will be read.
  virtual void begin(std::span<const float> conditions, int64_t tokens) = 0;
  virtual void read(std::span<const NoteToken> tokens) = 0;
  // Logits of what comes after the last token that was read; the note's own once its interval is chosen. Good until the
  // next call, and the caller's to change.
  virtual std::span<float> intervals() = 0;
  virtual std::span<float> lengths(int interval) = 0;
  virtual std::span<float> velocities(int interval) = 0;
};

// What the packed one is made of, by names of the published module (NoteGenerator).
struct NoteWeights {
  struct Layer {
    torch::nn::LayerNorm norm_attention, norm_feed;
    torch::nn::Linear qkv, join, wide, narrow;
  };
  int64_t heads;
  torch::nn::Linear enter;
  torch::nn::Conv1d near, far;
  torch::Tensor interval, pitch, length, velocity, chosen, distance;
  std::vector<Layer> layers;
  torch::nn::LayerNorm norm;
  torch::nn::Linear to_interval, to_length, to_velocity;
};

// Packed weights, and readers of them for as many rooms as are written for at once. Threads: any.
class PackedNotes {
  struct GiveBack {
    PackedNotes* to;
    void operator()(NoteReader* reader) const;
  };

 public:
  using Loan = std::unique_ptr<NoteReader, GiveBack>;

  PackedNotes(const NoteWeights& weights, Precision precision);
  ~PackedNotes();
  Loan lend();

 private:
  struct Weights;
  class Reader;

  std::unique_ptr<const Weights> weights_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<NoteReader>> idle_;
};

// Turns of queries and keys: rate of each of `half` pairs, radians a step (RoPE).
std::vector<float> rope_rates(int64_t half);

}  // namespace fastsag::model
