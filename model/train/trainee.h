#pragma once
// One part in training: its weights in one flat tensor, its optimiser, its moving average, and how far it is.
//
// The module's parameters become views of the flat tensor and their gradients views of another, so that averaging over
// ranks, clipping, AdamW and EMA are each a few operations whatever the number of parameters.
// Repeatable: a step depends on (seed, step, rank) and the state that save() writes, nothing else.
#include <torch/torch.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/train/distributed.h"
#include "model/train/ema.h"
#include "model/train/part.h"
#include "model/train/train_config.h"

namespace fastsag::model {

using Figures = std::map<std::string, double>;

struct StepResult {
  Figures figures;    // "loss" is the mean over ranks, others are the first rank's
  bool stop = false;  // some rank was asked to stop
};

// Linear warm-up by steps, then cosine to nothing by progress (0..1), or constant.
double learning_rate_factor(const PartOptions& options, int64_t step, double progress);

class Trainee {
 public:
  Trainee(std::unique_ptr<Part> part, const PartConfig& config, uint64_t seed, Group& group);

  const std::string& name() const { return name_; }
  Part& part() { return *part_; }
  int64_t step() const { return step_; }
  int64_t steps() const { return options_.steps; }
  double minutes() const { return config_.minutes; }
  double seconds_trained() const { return seconds_; }
  double seconds_left() const;  // < 0: not known yet
  double seconds_a_step() const { return seconds_a_step_; }
  double progress() const;  // 1: done

  StepResult train_step(const std::atomic<bool>& stop);
  Figures validate();       // with the average
  NamedTensors released();  // the average, named as the module names it
  bool validation_due(int64_t every) const;

  void save(NamedTensors& tensors, Metadata& metadata);
  // False where the file knows nothing of this part.
  bool resume(const SafetensorsFile& file);

 private:
  void flatten();
  double clip_gradients();  // the norm of all of them, before
  std::string layout();

  std::unique_ptr<Part> part_;
  std::string name_;
  PartConfig config_;
  PartOptions options_;
  uint64_t seed_ = 1;
  Group& group_;
  torch::Tensor weights_;               // flat; the parameters are views of it
  torch::Tensor bucket_;                // gradients, then what ranks tell each other beside them
  torch::Tensor gradients_;             // the first part of the bucket
  std::vector<torch::Tensor> clipped_;  // views of it, a group each
  std::unique_ptr<torch::optim::AdamW> optimiser_;
  std::unique_ptr<Ema> ema_;
  int64_t step_ = 0;
  int64_t refused_in_a_row_ = 0;
  double seconds_ = 0, seconds_a_step_ = 0;
};

}  // namespace fastsag::model
