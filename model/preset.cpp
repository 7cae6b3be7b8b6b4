#include "model/preset.h"

#include <algorithm>

#include "dsp/error.h"
#include "model/toml_reader.h"

namespace fastsag::model {
namespace {

namespace fs = std::filesystem;

fs::path preset_folder() {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  // bin beside share/fastsag where it is installed; build/PRESET/bin in a source tree
  for (const fs::path& folder :
       {program / "../share/fastsag/presets", program / "../../../configs/presets", fs::path("configs/presets")}) {
    if (fs::is_directory(folder, ignored)) return fs::weakly_canonical(folder, ignored);
  }
  throw Error("no folder of presets beside " + program.string() +
              "; name it: model.preset_dir, or give the path of a preset's .toml");
}

// One of a few words.
void read_word(TomlReader& reader, const std::string& key, std::string& value, const std::vector<std::string>& words) {
  reader.read(key, value);
  if (std::ranges::find(words, value) != words.end()) return;
  std::string expected;
  for (const std::string& word : words) expected += (expected.empty() ? "\"" : ", \"") + word + "\"";
  reader.error(key, (value.empty() ? "is missing" : "is \"" + value + "\"") + ", expected " + expected);
}

void read_file(TomlReader& reader, const std::string& key, fs::path& file, const fs::path& folder, bool needed) {
  std::string name;
  reader.read(key, name);
  if (!name.empty())
    file = folder / name;
  else if (needed)
    reader.error(key, "is missing: name a .safetensors file, relative to this one");
}

void read_paper(TomlReader& reader, Preset& preset, const fs::path& folder, TomlErrors& errors) {
  read_word(reader, "condition", preset.condition, {"perceiver", "bilinear", "mel", "semantic-mel"});
  read_word(reader, "precision", preset.precision, {"fp32", "bf16", "auto"});
  TomlReader front_end(reader.table("front_end"), "front_end", errors);
  read_word(front_end, "kind", preset.front_end.kind, {"mert", "semitones"});
  read_file(front_end, "weights", preset.front_end.weights, folder, preset.front_end.kind == "mert");
  front_end.read("normalised", preset.front_end.normalised);
  front_end.finish();
  PaperSizes& sizes = preset.sizes;
  TomlReader size(reader.table("size"), "size", errors);
  size.read("semantic_channels", sizes.semantic_channels, 1, 4096);
  size.read("semantic_stacks", sizes.semantic_stacks, 1, 64);
  size.read("semantic_blocks", sizes.semantic_blocks, 1, 16);
  size.read("perceiver", sizes.perceiver);
  size.read("prior_stacks", sizes.prior_stacks, 1, 64);
  size.read("prior_blocks", sizes.prior_blocks, 1, 16);
  size.read("unet_dim", sizes.unet_dim, 8, 1024);
  size.finish();
  if (preset.condition == "perceiver" && !sizes.perceiver)
    reader.error("condition", "is \"perceiver\", but size.perceiver is false");
}

}  // namespace

Preset load_preset_file(const fs::path& file) {
  const toml::table table = parse_toml_file(file.string());
  const fs::path folder = file.parent_path();
  TomlErrors errors;
  TomlReader reader(table, "", errors);
  Preset preset;
  preset.name = file.stem().string();
  read_word(reader, "form", preset.form, {"lite", "paper"});
  read_file(reader, "weights", preset.weights, folder, true);
  const bool paper = preset.form == "paper";
  if (paper) {
    preset.denoiser = {.steps = 50, .sigma_max = 80};
    preset.vocoder.kind = "bigvgan";
    read_paper(reader, preset, folder, errors);
  }
  TomlReader denoiser(reader.table("denoiser"), "denoiser", errors);
  denoiser.read("steps", preset.denoiser.steps, paper ? 1 : 0, 1000);
  if (!paper) denoiser.read("band_steps", preset.denoiser.band_steps, 0, 1000);
  denoiser.read("sigma_max", preset.denoiser.sigma_max, 0.001, 1000);
  denoiser.finish();
  TomlReader vocoder(reader.table("vocoder"), "vocoder", errors);
  if (paper) {
    read_word(vocoder, "kind", preset.vocoder.kind, {"bigvgan", "lite"});
    read_file(vocoder, "weights", preset.vocoder.weights, folder, true);
  }
  vocoder.read("griffin_lim", preset.vocoder.griffin_lim, 0, 100);
  vocoder.finish();
  reader.finish();
  throw_toml_errors(errors);
  return preset;
}

std::vector<std::string> preset_names(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder.empty() ? preset_folder() : folder, ignored)) {
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Preset load_preset(const std::string& preset, const fs::path& folder) {
  if (preset.ends_with(".toml")) return load_preset_file(preset);
  const fs::path place = folder.empty() ? preset_folder() : folder;
  const fs::path file = place / (preset + ".toml");
  std::error_code ignored;
  const bool is_name = !preset.empty() && preset.find('/') == std::string::npos;
  if (is_name && fs::is_regular_file(file, ignored)) return load_preset_file(file);
  const auto known = preset_names(place);
  std::string message = "no preset \"" + preset + "\" in " + place.string();
  const std::string nearest = nearest_name(preset, known);
  if (!nearest.empty()) throw Error(message + "; did you mean " + nearest + "?");
  message += known.empty() ? "; it holds none" : "; it holds";
  for (const std::string& name : known) message += " " + name;
  throw Error(message);
}

}  // namespace fastsag::model
