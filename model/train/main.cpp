// fastsag_train: trains the parts of a model on a corpus and writes their weights.
#include <malloc.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <ctime>
#include <iostream>

#include "dsp/error.h"
#include "model/train/distributed.h"
#include "model/train/parts.h"
#include "model/train/trainer.h"

using namespace fastsag::model;

static std::atomic<bool> stop{false};

static std::string last_name(const std::filesystem::path& path) {
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

// What goes out with the weights: the command, with folders of this machine shortened to their names.
static Metadata about(std::vector<std::string> command, const TrainConfig& config, const std::vector<Corpus>& corpora,
                      int processes) {
  for (std::string& word : command) {
    if (word.find('/') != std::string::npos) word = last_name(word);
  }
  std::vector<std::string> data;
  for (const Corpus& corpus : corpora) data.push_back(last_name(corpus.folder));
  const std::time_t now = std::time(nullptr);
  std::array<char, 32> date{};
  std::strftime(date.data(), date.size(), "%Y-%m-%d", std::gmtime(&now));
  return {{"command", CLI::detail::join(command, " ")},
          {"data", CLI::detail::join(data, " ")},
          {"date", date.data()},
          {"processes", std::to_string(processes)},
          {"format", config.part.contains("paper") ? "fastsag.paper.1" : "fastsag.lite.1"}};
}

// Activations are as large in every step: without this glibc hands them back to the system and takes them again, and a
// third of the time goes into clearing pages.
static void keep_memory() {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}

int main(int argc, char** argv) try {
  std::string config_file, out, start;
  std::vector<std::string> data;
  std::vector<double> shares;
  std::vector<std::string> sets;
  bool resume = false;
  int processes = 1;
  CLI::App app("Trains the parts of a FastSAG model. SIGINT and SIGTERM save; --resume goes on from there.");
  app.add_option("--config", config_file, "TOML file: configs/train/lite.toml")->required();
  app.add_option("--data", data,
                 "folder of a corpus (tools/make_corpus); several: scores from all, sound from the first")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--share", shares, "how often a window of scores is of this --data: one for each, in their order")
      ->allow_extra_args(false)
      ->check(CLI::PositiveNumber);
  app.add_option("--out", out, "weights to write (NAME.safetensors) or a folder for them")->required();
  app.add_option("--start", start, "released weights to begin with; parts not trained are kept");
  app.add_option("--set", sets, "part.key=value, in place of what the file says; may be repeated");
  app.add_option("--processes", processes, "how many to train in, one a core")->check(CLI::Range(1, 256));
  app.add_flag("--resume", resume, "go on from the last checkpoint");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  TrainConfig config;
  try {
    config = load_train_config(config_file, sets);
  } catch (const fastsag::Error& error) {
    std::cerr << "fastsag_train: " << error.what() << "\n";
    return 2;
  }
  config.start = start;
  if (!shares.empty() && shares.size() != data.size()) {
    std::cerr << "fastsag_train: " << data.size() << " --data, but " << shares.size()
              << " --share: give one for each, or none\n";
    return 2;
  }
  std::vector<Corpus> corpora;
  for (size_t i = 0; i < data.size(); ++i) corpora.push_back({data[i], shares.empty() ? 0 : shares[i]});
  const std::vector<std::string> command(argv, argv + argc);
  if (processes > 1 && !std::getenv("WORLD_SIZE")) return run_processes(processes, command);
  end_with_starter();
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { stop = true; });
  torch::set_num_threads(1);
  keep_memory();

  Group group = Group::from_environment(config.device == "cuda" ? torch::kCUDA : torch::kCPU);
  torch::manual_seed(config.seed);
  Trainer trainer(config, make_parts(config, corpora), group, trainer_paths(out));
  if (resume) trainer.resume();
  if (trainer.run(stop)) {
    trainer.release(about(command, config, corpora, group.world()));
  } else if (group.first()) {
    std::cerr << "\nstopped and saved; the same command with --resume goes on\n";
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "fastsag_train: " << error.what() << "\n";
  return 1;
}
