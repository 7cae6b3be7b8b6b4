#pragma once
// The training loop: parts take turns by how far each is, every step is averaged over the ranks, the average of the
// weights is validated on songs that were not trained on, and all of it is saved so that it can go on from there.
//
// In the folder of a run: checkpoint.safetensors (everything a resumed run needs), log.csv, plot.svg; the released
// weights are written when all parts are done.
// Threads: one. `stop` may be set by a signal handler: the run saves after the step it is in.
// Repeatable: with budgets in steps, a run that was stopped and resumed gives the same bytes as one that was not.
// Errors: fastsag::Error; the last checkpoint stays.
#include <atomic>
#include <filesystem>
#include <memory>
#include <vector>

#include "model/train/distributed.h"
#include "model/train/progress.h"
#include "model/train/train_config.h"
#include "model/train/trainee.h"

namespace fastsag::model {

struct TrainerPaths {
  std::filesystem::path folder;    // of the run
  std::filesystem::path released;  // the weights
};
// "DIR" -> DIR and DIR/weights.safetensors; "NAME.safetensors" -> NAME.run and that file. Creates the folder.
TrainerPaths trainer_paths(const std::filesystem::path& out);

class Trainer {
 public:
  Trainer(const TrainConfig& config, std::vector<std::unique_ptr<Part>> parts, Group& group, TrainerPaths paths);

  // From checkpoint.safetensors of the folder. Parts it does not know start from nothing.
  void resume();
  // True when all parts are done, false when it was stopped (and saved).
  bool run(const std::atomic<bool>& stop);
  // The averaged weights; `about` goes into the metadata beside figures and times.
  void release(const Metadata& about);

 private:
  Trainee* next();
  void validate(Trainee& trainee);
  void show(Trainee& trainee, bool now);
  void save();

  TrainConfig config_;
  Group& group_;
  TrainerPaths paths_;
  std::unique_ptr<SafetensorsFile> start_;
  std::vector<std::unique_ptr<Trainee>> trainees_;
  std::unique_ptr<Progress> progress_;  // of the first rank
};

}  // namespace fastsag::model
