#include "model/train/trainer.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "dsp/error.h"

namespace fastsag::model {
namespace {

std::string short_number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.5g", value);
  return text.data();
}

// Is a released tensor of this name the part's?
bool belongs(const std::string& tensor, const std::string& prefix) {
  return prefix.empty() || tensor.starts_with(prefix + ".");
}

}  // namespace

TrainerPaths trainer_paths(const std::filesystem::path& out) {
  TrainerPaths paths;
  const bool is_file = out.extension() == ".safetensors";
  paths.folder = out;
  if (is_file) paths.folder.replace_extension(".run");
  paths.released = is_file ? out : out / "weights.safetensors";
  std::error_code failed;
  std::filesystem::create_directories(paths.folder, failed);
  if (failed) throw Error("cannot create the folder " + paths.folder.string() + ": " + failed.message());
  return paths;
}

Trainer::Trainer(const TrainConfig& config, std::vector<std::unique_ptr<Part>> parts, Group& group, TrainerPaths paths)
    : config_(config), group_(group), paths_(std::move(paths)) {
  if (!config_.start.empty()) start_ = std::make_unique<SafetensorsFile>(config_.start);
  for (auto& part : parts) {
    const std::string name = part->name(), prefix = part->prefix();
    part->module().to(device_of(config_, group_.rank()));
    const bool known = start_ && std::any_of(start_->header().tensors.begin(), start_->header().tensors.end(),
                                             [&](const auto& info) { return belongs(info.name, prefix); });
    if (known) load_module(part->module(), *start_, prefix);
    trainees_.push_back(std::make_unique<Trainee>(std::move(part), config_.part[name], config_.seed, group_));
  }
  if (group_.first()) {
    progress_ = std::make_unique<Progress>(paths_.folder, std::map<std::string, int64_t>{}, isatty(STDERR_FILENO) == 1);
  }
}

void Trainer::resume() {
  const SafetensorsFile file(paths_.folder / "checkpoint.safetensors");
  std::map<std::string, int64_t> steps;
  for (const auto& trainee : trainees_) {
    if (trainee->resume(file)) steps[trainee->name()] = trainee->step();
  }
  if (group_.first()) {
    progress_ = std::make_unique<Progress>(paths_.folder, steps, isatty(STDERR_FILENO) == 1);
  }
}

// The part that is least far; the first of equals. Budgets of different length so end together.
Trainee* Trainer::next() {
  Trainee* least = nullptr;
  for (const auto& trainee : trainees_) {
    if (trainee->progress() < 1 && (!least || trainee->progress() < least->progress())) least = trainee.get();
  }
  return least;
}

bool Trainer::run(const std::atomic<bool>& stop) {
  auto saved = std::chrono::steady_clock::now();
  bool stopped = false;
  while (Trainee* trainee = stopped ? nullptr : next()) {
    const StepResult result = trainee->train_step(stop);
    stopped = result.stop;
    if (!group_.first()) continue;
    progress_->trained(trainee->name(), trainee->step(), result.figures);
    if (trainee->validation_due(config_.validate_steps)) validate(*trainee);
    show(*trainee, false);
    if (std::chrono::steady_clock::now() - saved > std::chrono::duration<double>(60 * config_.checkpoint_minutes)) {
      save();
      saved = std::chrono::steady_clock::now();
    }
  }
  if (group_.first()) save();
  return next() == nullptr;
}

void Trainer::validate(Trainee& trainee) { progress_->validated(trainee.name(), trainee.step(), trainee.validate()); }

void Trainer::show(Trainee& trainee, bool now) {
  double left = 0, share = 0, windows = 0, seconds = 0;
  for (const auto& each : trainees_) {
    const double of_part = each->seconds_left();
    left = of_part < 0 || left < 0 ? -1 : left + of_part;
    share += each->progress() / static_cast<double>(trainees_.size());
    // Parts take turns: a round of all of them gives the pace.
    windows += static_cast<double>(each->part().batch() * group_.world() * each->step());
    seconds += each->seconds_a_step() * static_cast<double>(each->step());
  }
  progress_->show(share, trainee.name(), trainee.step(), trainee.minutes() > 0 ? 0 : trainee.steps(),
                  seconds > 0 ? windows / seconds : 0, left, now);
}

void Trainer::save() {
  NamedTensors tensors;
  Metadata metadata;
  for (const auto& trainee : trainees_) trainee->save(tensors, metadata);
  // First the log: rows beyond the checkpoint are dropped on resuming, rows that it lacks would be lost.
  progress_->save();
  save_tensors(paths_.folder / "checkpoint.safetensors", tensors, metadata, Storage::fp32);
  progress_->draw();
}

void Trainer::release(const Metadata& about) {
  if (!group_.first()) return;
  NamedTensors tensors;
  Metadata metadata = start_ ? start_->header().metadata : Metadata();
  for (const auto& [key, text] : about) metadata[key] = text;
  for (const TensorInfo& info : start_ ? start_->header().tensors : std::vector<TensorInfo>()) {
    const bool trained = std::any_of(trainees_.begin(), trainees_.end(),
                                     [&](const auto& trainee) { return belongs(info.name, trainee->part().prefix()); });
    if (!trained) tensors.emplace_back(info.name, read_tensor(*start_, info));
  }
  for (const auto& trainee : trainees_) {
    for (auto& entry : trainee->released()) tensors.push_back(std::move(entry));
    const std::string name = trainee->name();
    metadata[name + ".steps"] = std::to_string(trainee->step());
    metadata[name + ".minutes"] = short_number(trainee->seconds_trained() / 60);
  }
  for (const auto& [figure, value] : progress_->last_validation()) metadata[figure] = short_number(value);
  save_tensors(paths_.released, tensors, metadata, config_.storage);
}

}  // namespace fastsag::model
