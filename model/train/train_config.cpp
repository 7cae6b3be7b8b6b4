#include "model/train/train_config.h"

#include <algorithm>

#include "dsp/error.h"
#include "model/toml_reader.h"
#include "model/train/parts.h"

namespace fastsag::model {
namespace {

namespace fs = std::filesystem;

template <class T>
void read_optional(TomlReader& reader, const char* key, std::optional<T>& value, double lowest, double highest = 1e12) {
  T found = {};
  reader.read(key, found, lowest, highest);
  if (reader.has(key)) value = found;
}

PaperRecipe read_recipe(TomlReader& reader, const fs::path& folder) {
  PaperRecipe recipe;
  std::string preset, level = "paper";
  reader.read("preset", preset);
  if (!preset.empty()) recipe.preset = folder / preset;
  reader.read("level", level);
  if (level != "paper" && level != "code") reader.error("level", "is " + level + ", expected paper or code");
  recipe.paper_level = level == "paper";
  reader.read("at_once", recipe.at_once, 1, 65536);
  reader.read("loaders", recipe.loaders, 1, 256);
  reader.read("columns", recipe.columns, 0, 1024);
  if (recipe.columns % 4 != 0)
    reader.error("columns",
                 "is " + std::to_string(recipe.columns) + ", expected a multiple of 4 (the U-Net halves twice)");
  return recipe;
}

PartConfig read_part(const toml::table& table, const std::string& name, const fs::path& folder, TomlErrors& errors) {
  TomlReader reader(table, name, errors);
  PartConfig part;
  read_optional(reader, "steps", part.steps, 1);
  read_optional(reader, "warmup", part.warmup, 0);
  read_optional(reader, "batch", part.batch, 1, 65536);
  read_optional(reader, "learning_rate", part.learning_rate, 0, 1);
  read_optional(reader, "beta1", part.beta1, 0, 1);
  read_optional(reader, "beta2", part.beta2, 0, 1);
  read_optional(reader, "weight_decay", part.weight_decay, 0, 10);
  read_optional(reader, "ema", part.ema, 0, 1);
  read_optional(reader, "clip", part.clip, 0);
  read_optional(reader, "constant_rate", part.constant_rate, 0);
  if (name == "paper") part.paper = read_recipe(reader, folder);
  reader.read("minutes", part.minutes, 0, 1e6);
  reader.read("bf16", part.bf16);
  reader.read("validate_steps", part.validate_steps, 1, 1e12);
  reader.finish();
  return part;
}

// "part.key=value" as TOML; a value that is none is taken as a text, so that nobody has to quote quotes in a shell.
toml::table parse_set(const std::string& set) {
  const size_t equals = set.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error("--set " + set + ": expected key=value or part.key=value");
  const std::string source = "--set " + set;
  try {
    return parse_toml_text(set, source);
  } catch (const Error&) {
    return parse_toml_text(set.substr(0, equals) + "='" + set.substr(equals + 1) + "'", source);
  }
}

void merge(toml::table& into, const toml::table& from) {
  for (const auto& [key, node] : from) {
    toml::table* const mine = into.contains(key) ? into[key].as_table() : nullptr;
    if (mine && node.is_table()) {
      merge(*mine, *node.as_table());
    } else {
      into.insert_or_assign(key, node);
    }
  }
}

}  // namespace

PartOptions PartConfig::applied_to(PartOptions options) const {
  options.steps = steps.value_or(options.steps);
  options.warmup = warmup.value_or(options.warmup);
  options.learning_rate = learning_rate.value_or(options.learning_rate);
  options.beta1 = beta1.value_or(options.beta1);
  options.beta2 = beta2.value_or(options.beta2);
  options.weight_decay = weight_decay.value_or(options.weight_decay);
  options.constant_rate = constant_rate.value_or(options.constant_rate);
  options.ema = ema.value_or(options.ema);
  options.clip = clip.value_or(options.clip);
  return options;
}

torch::Device device_of(const TrainConfig& config, int rank) {
  if (config.device == "cpu") return torch::kCPU;
  const auto devices = static_cast<int>(torch::cuda::device_count());
  if (devices == 0) throw Error("device = \"cuda\", but there is no CUDA device (or driver); use cpu");
  return {torch::kCUDA, static_cast<torch::DeviceIndex>(rank % devices)};
}

TrainConfig load_train_config(const std::filesystem::path& file, const std::vector<std::string>& sets) {
  toml::table table = parse_toml_file(file.string());
  for (const std::string& set : sets) merge(table, parse_set(set));

  TomlErrors errors;
  TomlReader reader(table, "", errors);
  TrainConfig config;
  reader.read("parts", config.parts);
  if (!reader.has("parts")) reader.error("parts", "is missing: name what to train");
  std::string storage = "fp16";
  reader.read("seed", config.seed, 0, 9e15);
  reader.read("validate_steps", config.validate_steps, 1, 1e12);
  reader.read("checkpoint_minutes", config.checkpoint_minutes, 0, 1e6);
  reader.read("storage", storage);
  reader.read("device", config.device);
  if (config.device != "cpu" && config.device != "cuda")
    reader.error("device", "is " + config.device + ", expected cpu or cuda");
  if (storage != "fp16" && storage != "fp32") reader.error("storage", "is " + storage + ", expected fp16 or fp32");
  config.storage = storage == "fp32" ? Storage::fp32 : Storage::fp16;

  const auto known = part_names();
  for (const std::string& name : config.parts) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string nearest = nearest_name(name, known);
      std::string expected;
      for (const std::string& candidate : known) expected += " " + candidate;
      reader.error(
          "parts",
          "names " + name + (nearest.empty() ? ", expected some of" + expected : "; did you mean " + nearest + "?"));
    }
    if (std::count(config.parts.begin(), config.parts.end(), name) > 1)
      reader.error("parts", "names " + name + " twice");
  }
  // Tables of parts that are not trained this time stay in the file and are checked all the same.
  for (const std::string& name : known) {
    PartConfig part = read_part(reader.table(name), name, file.parent_path(), errors);
    if (std::find(config.parts.begin(), config.parts.end(), name) != config.parts.end()) config.part[name] = part;
  }
  reader.finish();
  throw_toml_errors(errors);
  return config;
}

}  // namespace fastsag::model
