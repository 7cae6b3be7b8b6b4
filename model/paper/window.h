#pragma once
// A request to the paper's form as its networks see it: ten seconds that end where the writing ends, on the grid of mel
// frames.
//
// Units: frames of 256 samples, counted from the timeline's start. Errors: fastsag::Error where more was asked for than
// ten seconds hold.
#include <torch/torch.h>

#include <cstdint>
#include <string>
#include <vector>

#include "dsp/phase.h"
#include "model/accompanist.h"
#include "model/paper/sizes.h"

namespace fastsag::model {

struct PaperWindow {
  int64_t first_frame = 0;   // of the timeline
  std::vector<float> voice;  // scaled; ten seconds, zeros where it is not known
  bool silent = true;        // then nothing of what follows is there
  torch::Tensor known;  // mel [bands][count] of what was played, from frame known_begin of the window; or undefined
  int64_t known_begin = 0;
  uint64_t seed = 1;
  // What to write, and what was played, as the request has it.
  int64_t write_begin = 0, write_end = 0;
  dsp::Past played;
};

// What became of a window: its sound, [write_begin, write_end), or why there is none.
struct PaperSound {
  std::vector<float> audio;
  std::string error;
};

PaperWindow paper_window(const WindowRequest& request, const PaperSizes& sizes);

// [bands][frames], normalised.
torch::Tensor mel_of(std::span<const float> wave);

}  // namespace fastsag::model
