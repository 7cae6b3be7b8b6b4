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

std::vector<std::string> presets_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() == ".toml") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Preset load_preset_file(const fs::path& file) {
  const toml::table table = parse_toml_file(file.string());
  TomlErrors errors;
  TomlReader reader(table, "", errors);
  Preset preset;
  preset.name = file.stem().string();
  std::string weights;
  reader.read("form", preset.form);
  reader.read("weights", weights);
  if (preset.form != "lite") {
    reader.error("form", preset.form.empty() ? "is missing, expected \"lite\""
                                             : "is \"" + preset.form + "\", expected \"lite\"");
  }
  if (weights.empty()) reader.error("weights", "is missing: name a .safetensors file, relative to this one");
  preset.weights = file.parent_path() / weights;

  TomlReader denoiser(reader.table("denoiser"), "denoiser", errors);
  denoiser.read("steps", preset.denoiser.steps, 0, 1000);
  denoiser.read("sigma_max", preset.denoiser.sigma_max, 0.001, 1000);
  denoiser.finish();
  TomlReader vocoder(reader.table("vocoder"), "vocoder", errors);
  vocoder.read("griffin_lim", preset.vocoder.griffin_lim, 0, 100);
  vocoder.finish();
  reader.finish();
  throw_toml_errors(errors);
  return preset;
}

Preset load_preset(const std::string& preset, const fs::path& folder) {
  if (preset.ends_with(".toml")) return load_preset_file(preset);
  const fs::path place = folder.empty() ? preset_folder() : folder;
  const fs::path file = place / (preset + ".toml");
  std::error_code ignored;
  const bool is_name = !preset.empty() && preset.find('/') == std::string::npos;
  if (is_name && fs::is_regular_file(file, ignored)) return load_preset_file(file);
  const auto known = presets_in(place);
  std::string message = "no preset \"" + preset + "\" in " + place.string();
  const std::string nearest = nearest_name(preset, known);
  if (!nearest.empty()) throw Error(message + "; did you mean " + nearest + "?");
  message += known.empty() ? "; it holds none" : "; it holds";
  for (const std::string& name : known) message += " " + name;
  throw Error(message);
}

}  // namespace fastsag::model
