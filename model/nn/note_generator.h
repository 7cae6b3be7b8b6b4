#pragma once
// The note generator: a small causal transformer that writes the accompaniment step by step, each step's notes from
// low to high. Pitches are told as intervals above the chord's root, so that being a chord note is learnt once.
//
// A sequence: for every step the token STEP, then its notes. Read at a token, the net says what comes next: a note or
// END (of the step). RoPE and a learnt bias speak of distances in steps, not in tokens.
// Shapes: conditions [batch, steps, kNoteConditions] (model/lite/steps.h); tokens [batch, tokens].
// Threads: sample() from any once it is prepared, else one thread.
#include <torch/torch.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/lite/steps.h"
#include "model/nn/note_reader.h"

namespace fastsag::model {

inline constexpr int kIntervals = 99;  // pitch - root - 10: 21 - 11 .. 108 - 0
inline constexpr int kEndOfStep = kIntervals;
inline constexpr int interval_class(int pitch, int root) { return pitch - root - 10; }

struct NoteGeneratorOptions {
  int64_t width = 128;
  int64_t layers = 4;
  int64_t heads = 4;
};

// NoteToken's, one tensor each.
struct NoteTokens {
  torch::Tensor step, interval, pitch, length, velocity;  // int64 [batch, tokens]
};
// The tokens of a score from step begin up to, not including, end.
dsp::Pooled<NoteToken> note_sequence(std::span<const ScoreNote> score, std::span<const StepChord> chords, int begin,
                                     int end);
NoteTokens tensors_of(std::span<const NoteToken> tokens);
NoteTokens note_tokens(std::span<const ScoreNote> score, std::span<const StepChord> chords, int begin, int end);

struct NoteLogits {
  torch::Tensor interval;  // [batch, tokens, kIntervals + 1]
  torch::Tensor length;    // [batch, tokens, 11], for the interval that was chosen
  torch::Tensor velocity;  // [batch, tokens, 8]
};

struct NoteCache {
  torch::Tensor conditions;                 // [1, steps, width]
  torch::Tensor step;                       // [tokens seen]
  std::vector<torch::Tensor> keys, values;  // a layer [1, heads, capacity, width / heads]
  int64_t size = 0;
};

struct SamplingOptions {
  uint64_t seed = 1;
  float temperature = 0.95f;
  float top_p = 0.95f;
};

class NoteLayerImpl : public torch::nn::Module {
 public:
  explicit NoteLayerImpl(const NoteGeneratorOptions& options);
  // mask [.., tokens, keys] is added to the attention scores; rope turns queries and keys.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& mask, const torch::Tensor& cosine,
                        const torch::Tensor& sine, torch::Tensor* keys, torch::Tensor* values, int64_t cached);
  NoteWeights::Layer weights() const { return {norm_attention_, norm_feed_, qkv_, join_, wide_, narrow_}; }

 private:
  int64_t heads_;
  torch::nn::LayerNorm norm_attention_{nullptr}, norm_feed_{nullptr};
  torch::nn::Linear qkv_{nullptr}, join_{nullptr}, wide_{nullptr}, narrow_{nullptr};
};
TORCH_MODULE(NoteLayer);

class NoteGeneratorImpl : public torch::nn::Module {
 public:
  explicit NoteGeneratorImpl(const NoteGeneratorOptions& options = {});

  // Teacher forcing: chosen [batch, tokens] is the interval class that really came next at each token.
  NoteLogits forward(const torch::Tensor& conditions, const NoteTokens& tokens, const torch::Tensor& chosen);

  // Goes on after `prefix` (notes before step begin, whose tokens start at step prefix_begin): the notes of the steps
  // [begin, end). positions[k] is what chance is keyed with for step k. sung[k], where given, is the pitch that is sung
  // in step k or 0: a note that would double it soon is made less likely, for a piano that plays the tune covers it.
  // allowed[k], where given, has a bit for each pitch class that step k may have.
  dsp::Pooled<ScoreNote> sample(std::span<const float> conditions, std::span<const StepChord> chords,
                                std::span<const ScoreNote> prefix, int prefix_begin, int begin, int end,
                                std::span<const int64_t> positions, const SamplingOptions& options,
                                std::span<const int> sung = {}, std::span<const uint16_t> allowed = {});
  // For inference on the CPU: takes the weights as they are now, and sample() goes by packed ones.
  void prepare(Precision precision);

 private:
  class PlainReader;
  torch::Tensor condition(const torch::Tensor& conditions);
  torch::Tensor embed(const torch::Tensor& conditions, const NoteTokens& tokens);
  torch::Tensor hidden(NoteCache& cache, const NoteTokens& tokens);

  NoteGeneratorOptions options_;
  torch::nn::Linear enter_{nullptr};
  torch::nn::Conv1d near_{nullptr}, far_{nullptr};
  torch::nn::Embedding interval_{nullptr}, pitch_{nullptr}, length_{nullptr}, velocity_{nullptr}, chosen_{nullptr};
  torch::nn::Embedding distance_{nullptr};
  torch::nn::ModuleList layers_;
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear to_interval_{nullptr}, to_length_{nullptr}, to_velocity_{nullptr};
  std::shared_ptr<PackedNotes> packed_;
};
TORCH_MODULE(NoteGenerator);

}  // namespace fastsag::model
