#pragma once
// How a training run goes: configs/train/*.toml. A part brings its own options; the table of its name overrides them.
//
// Errors: fastsag::Error with file, line and what was expected, all of them at once.
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/train/part.h"

namespace fastsag::model {

// What the part of the paper's form learns from, and how it gets it.
struct PaperRecipe {
  std::filesystem::path preset;  // its sizes, front end and condition are the network's: configs/presets/NAME.toml
  bool paper_level = true;       // clips at -25 dB as the paper means it, else as its code does (model/train/stems.h)
  int64_t at_once = 0;           // windows of a batch that go through the network together; 0: all
  int64_t loaders = 1;           // threads that prepare the next batches
  int64_t columns = 0;           // of a window that the U-Net sees in a step, a multiple of 4; 0: all, as published
};

struct PartConfig {
  std::optional<int64_t> steps, warmup, batch;
  std::optional<double> learning_rate, beta1, beta2, weight_decay, ema, clip;
  std::optional<bool> constant_rate;
  double minutes = 0;  // > 0: a budget of wall-clock time in place of steps; then a run cannot be repeated bit for bit
  bool bf16 = false;   // autocast, where the processor (or device) multiplies bf16
  int64_t validate_steps = 0;  // 0: as often as the run says
  PaperRecipe paper;           // of the part "paper" alone

  PartOptions applied_to(PartOptions options) const;
};

struct TrainConfig {
  uint64_t seed = 1;
  std::vector<std::string> parts;
  int64_t validate_steps = 500;  // of a part's own steps
  double checkpoint_minutes = 5;
  std::string device = "cpu";       // or "cuda"
  Storage storage = Storage::fp16;  // of the weights that are released
  // Released weights to begin with: parts that are trained start from them, the others are released again as they are.
  std::filesystem::path start;
  std::map<std::string, PartConfig> part;  // for every name in `parts`
};

// Of a process: with several GPUs, one each. Throws where there is none.
torch::Device device_of(const TrainConfig& config, int rank);

// `sets` holds "part.key=value" of the command line, which win over the file.
TrainConfig load_train_config(const std::filesystem::path& file, const std::vector<std::string>& sets = {});

}  // namespace fastsag::model
