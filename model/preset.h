#pragma once
// What a preset is made of: configs/presets/NAME.toml. Data only; code asks for `form` in one place (load_accompanist)
// and for no preset's name anywhere.
//
// Errors: fastsag::Error with file and line, all of them at once; an unknown key is one, with the nearest known key.
#include <filesystem>
#include <string>

namespace fastsag::model {

struct Preset {
  std::string name;               // of the file
  std::string form;               // which network family: "lite"
  std::filesystem::path weights;  // as the file says, relative to it
  struct Denoiser {
    int steps = 1;  // evaluations; 0: the prior is played as it is
    double sigma_max = 2;
  } denoiser;
  struct Vocoder {
    int griffin_lim = 3;  // rounds after phase gradient integration
  } vocoder;
};

Preset load_preset_file(const std::filesystem::path& file);
// `preset`: a name in `folder`, or the path of a .toml. `folder` empty: what is installed beside the program, then the
// source tree.
Preset load_preset(const std::string& preset, const std::filesystem::path& folder = {});

}  // namespace fastsag::model
