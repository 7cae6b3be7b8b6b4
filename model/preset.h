#pragma once
// What a preset is made of: configs/presets/NAME.toml. Data only; code asks for `form` in one place (load_accompanist)
// and for no preset's name anywhere.
//
// Errors: fastsag::Error with file and line, all of them at once; an unknown key is one, with the nearest known key.
#include <filesystem>
#include <string>
#include <vector>

#include "model/paper/sizes.h"

namespace fastsag::model {

struct Preset {
  std::string name;               // of the file
  std::string form;               // which network family: "lite", "paper"
  std::filesystem::path weights;  // as the file says, relative to it
  struct Denoiser {
    int steps = 1;       // evaluations; 0: the prior is played as it is
    int band_steps = 0;  // the same where more than the piano plays (form lite)
    double sigma_max = 2;
  } denoiser;
  struct Vocoder {
    std::string kind = "lite";      // "lite", "bigvgan"
    std::filesystem::path weights;  // where they are in a file of their own
    int griffin_lim = 3;            // rounds after phase gradient integration
  } vocoder;

  // The paper's form only.
  struct FrontEnd {
    std::string kind = "mert";      // "mert", "semitones"
    std::filesystem::path weights;  // MERT's
    bool normalised = true;         // each frame over its channels
  } front_end;
  std::string condition = "perceiver";  // "perceiver", "bilinear", "mel", "semantic-mel"
  std::string precision = "fp32";       // of the denoiser and the vocoder: "fp32", "bf16", "auto" (paper/precision.h)
  PaperSizes sizes;
};

Preset load_preset_file(const std::filesystem::path& file);
// `preset`: a name in `folder`, or the path of a .toml. `folder` empty: what is installed beside the program, then the
// source tree.
Preset load_preset(const std::string& preset, const std::filesystem::path& folder = {});
// The names that a folder holds, in order; an empty one is as above.
std::vector<std::string> preset_names(const std::filesystem::path& folder = {});

}  // namespace fastsag::model
