#pragma once
// Examples as FastSAG's recipe makes them of a clip: the voice with noise, both sides at the level the model knows, ten
// seconds of them at 24 kHz, the accompaniment's mel, and the draws of the training step.
//
// The order is the reference's: noise, level of the whole clip, crop, resampling.
// Shapes: waves [B][240000]; mel [B][100][frames]; features [B][T1][channels].
// Source: REFERENCE.md section 10.
#include <torch/torch.h>

#include "model/lite/chance.h"
#include "model/paper/loss.h"
#include "model/preset.h"
#include "model/train/stems.h"

namespace fastsag::model {

struct PaperExamples {
  torch::Tensor voice_wave, accompaniment_wave;
  PaperBatch batch;  // features are undefined where the front end is a network: the training step computes them
  PaperDraws draws;

  PaperExamples narrow(int64_t begin, int64_t count) const;
  PaperExamples to(torch::Device device) const;
  int64_t size() const { return batch.mel.size(0); }
};

// The voice with the two noises of the recipe.
void add_noise(std::vector<float>& voice, Chance& chance);

// What the network is to learn from and how it is asked.
struct PaperTask {
  bool semitones = false;  // features from the wave here, in place of a network
  bool normalised = true;
  ConditionPath path = ConditionPath::bilinear;
  PaperSizes sizes;
  int64_t columns = 0;  // that the U-Net sees in training; 0: all
};
// One example; `training`: with noise, and the U-Net's part of the window. `chance` is all that is random.
PaperExamples make_example(const PaperTask& task, const Clip& clip, bool training, Chance chance);
PaperExamples stack(const std::vector<PaperExamples>& examples);

}  // namespace fastsag::model
