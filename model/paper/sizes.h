#pragma once
// How large a FastSAG of the paper's form is. The defaults are the published model; a smaller one is the same code with
// smaller numbers here.
//
// Source: REFERENCE.md sections 1, 4 and 7; the published state dict's shapes.
#include <cstdint>

#include "dsp/mel.h"

namespace fastsag::model {

struct PaperSizes {
  int64_t semantic_channels = 768;  // features of the front end, and of the semantic WaveNet
  int64_t semantic_stacks = 8, semantic_blocks = 8;
  bool perceiver = true;  // built at all: a model of the bilinear path alone may go without
  int64_t prior_stacks = 4, prior_blocks = 8;
  int64_t unet_dim = 64;
  int64_t bands = dsp::kMelBands;
  int64_t frames = 937;  // of a 10 s window; the Perceiver answers for exactly these
  // The prior net and the U-Net work on this many columns, zeros after the window: their answer depends on it.
  int64_t width = 1024;
};

}  // namespace fastsag::model
