#pragma once
// The prior block of the lite preset: notes in, the mel they sound like out. A template bank (the spectrum of every key
// at every age, learnt from a harmonic series) adds powers as real strings do; a small convolutional net corrects what
// does not add up: attacks, resonance, masking, the shape of the analysis window.
//
// Shapes/units: roll [B][T][kRollWidth] (lite/roll.h) -> mel [B][T][100], ln mel normalised as in the paper,
// (ln + 12) / 14 * 2 - 1.
// One renderer an instrument; drums are keys like any other. Levels of instruments add as powers: mix_mels().
// Source: REFERENCE.md section 2 for the mel; the design is this project's own (experiment 2 of the lite recipe).
#include <torch/torch.h>

#include <memory>

#include "dsp/mel.h"
#include "dsp/pool.h"
#include "model/nn/temporal.h"

namespace fastsag::model {

class NoteRendererImpl : public torch::nn::Module {
 public:
  // channels: of the correction; kChannels for the piano, kSmallChannels for what accompanies it.
  static constexpr int64_t kChannels = 128, kSmallChannels = 64;
  explicit NoteRendererImpl(int64_t channels = kChannels);

  struct Output {
    torch::Tensor plain;  // templates alone
    torch::Tensor mu;     // corrected: the prior of the paper
  };
  Output forward(const torch::Tensor& roll);
  // For inference on the CPU: takes the weights as they are now, and mu of a prepared one comes by packed weights and
  // the roll's few features that are not zero.
  void prepare(Precision precision);
  void mu(std::span<const float> roll, std::span<float> mel);  // of one window

 private:
  // ln power of each roll feature in each band, and of the background, both divided by kTemplateGain: Adam then moves
  // them kTemplateGain times as fast as the rest, as sparse features need.
  torch::Tensor templates_, background_;
  torch::nn::Linear from_roll_, from_plain_, to_mel_;
  torch::nn::ModuleList blocks_;
  struct Fast;
  std::shared_ptr<const Fast> fast_;
};
TORCH_MODULE(NoteRenderer);

// The mel of sounds together, from the mel of each [..][100] and its level in dB: powers add, as of sounds that have
// nothing to do with one another.
torch::Tensor mix_mels(const std::vector<torch::Tensor>& mels, const std::vector<double>& level_db);
// The same on the CPU, all of one size; `mix` may be one of them.
void mix_mels(std::span<const dsp::Pooled<float>> mels, std::span<const double> level_db, std::span<float> mix);

}  // namespace fastsag::model
