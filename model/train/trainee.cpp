#include "model/train/trainee.h"

#include <ATen/autocast_mode.h>

#include <chrono>
#include <cmath>
#include <numbers>

#include "dsp/error.h"
#include "model/hashed_normal.h"

namespace fastsag::model {
namespace {

constexpr int64_t kExtras = 3;          // loss, seconds, stop: they ride behind the gradients
constexpr int64_t kRefusedAtMost = 20;  // steps in a row without finite gradients: then training is broken

// bf16 where the hardware multiplies it: elsewhere it is emulated and slower than fp32.
bool has_bf16(torch::Device device) {
#if defined(__x86_64__)
  if (device.is_cpu()) return __builtin_cpu_supports("avx512bf16") != 0;
#endif
  return device.is_cuda();
}

class Autocast {
 public:
  Autocast(bool on, torch::DeviceType device) : on_(on), device_(device) {
    if (!on_) return;
    at::autocast::set_autocast_dtype(device_, torch::kBFloat16);
    at::autocast::set_autocast_enabled(device_, true);
  }
  ~Autocast() {
    if (!on_) return;
    at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, false);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  bool on_;
  torch::DeviceType device_;
};

uint64_t name_hash(const std::string& name) {
  uint64_t hash = 0;
  for (const char c : name) hash = splitmix64(hash ^ static_cast<unsigned char>(c));
  return hash;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

double learning_rate_factor(const PartOptions& options, int64_t step, double progress) {
  const double warm =
      options.warmup > 0 ? std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(options.warmup)) : 1.0;
  if (options.constant_rate) return warm;
  return warm * 0.5 * (1 + std::cos(std::numbers::pi * std::min(1.0, progress)));
}

Trainee::Trainee(std::unique_ptr<Part> part, const PartConfig& config, uint64_t seed, Group& group)
    : part_(std::move(part)),
      name_(part_->name()),
      config_(config),
      options_(config.applied_to(part_->options())),
      seed_(seed),
      group_(group) {
  flatten();
  torch::Tensor shared = weights_.detach();
  group_.broadcast(shared);  // ranks start from the same weights however they were drawn
  optimiser_ = std::make_unique<torch::optim::AdamW>(std::vector<torch::Tensor>{weights_},
                                                     torch::optim::AdamWOptions(options_.learning_rate)
                                                         .betas({options_.beta1, options_.beta2})
                                                         .weight_decay(options_.weight_decay));
  ema_ = std::make_unique<Ema>(weights_, options_.ema);
}

void Trainee::flatten() {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> parameters;
  std::vector<std::string> names;
  for (const auto& item : part_->module().named_parameters()) {
    if (!item.value().requires_grad()) continue;
    parameters.push_back(item.value());
    names.push_back(item.key());
  }
  if (parameters.empty()) throw Error("part " + name_ + " has nothing to train");
  std::vector<torch::Tensor> flat;
  for (const torch::Tensor& parameter : parameters) flat.push_back(parameter.detach().reshape(-1));
  weights_ = torch::cat(flat).contiguous();
  bucket_ = torch::zeros(weights_.numel() + kExtras, weights_.options());
  gradients_ = bucket_.narrow(0, 0, weights_.numel());
  int64_t offset = 0;
  std::vector<int64_t> begins;
  for (torch::Tensor& parameter : parameters) {
    begins.push_back(offset);
    const int64_t size = parameter.numel();
    const auto shape = parameter.sizes().vec();
    parameter.set_data(weights_.narrow(0, offset, size).view(shape));
    parameter.mutable_grad() = gradients_.narrow(0, offset, size).view(shape);
    offset += size;
  }
  weights_.requires_grad_();
  weights_.mutable_grad() = gradients_;
  // A module's parameters lie together, so a group is one stretch of the flat tensor.
  for (const std::string& prefix : part_->clipped()) {
    int64_t begin = offset, end = 0;
    for (size_t i = 0; i < names.size(); ++i) {
      if (!names[i].starts_with(prefix)) continue;
      begin = std::min(begin, begins[i]);
      end = begins[i] + parameters[i].numel();
    }
    if (begin >= end) throw Error("part " + name_ + " has no parameters below " + prefix + " whose gradient to clip");
    clipped_.push_back(gradients_.narrow(0, begin, end - begin));
  }
}

double Trainee::clip_gradients() {
  // In double: over millions of numbers the sum of squares in float is off by 1e-4.
  const auto norm_of = [](const torch::Tensor& x) { return torch::norm(x, 2, torch::kDouble).item<double>(); };
  const double whole = norm_of(gradients_);
  if (options_.clip <= 0 || !std::isfinite(whole)) return whole;
  for (torch::Tensor& group : clipped_) {
    const double norm = norm_of(group);
    if (norm > options_.clip) group.mul_(options_.clip / norm);
  }
  return whole;
}

double Trainee::progress() const {
  if (config_.minutes > 0) return std::min(1.0, seconds_ / (60 * config_.minutes));
  return std::min(1.0, static_cast<double>(step_) / static_cast<double>(options_.steps));
}

double Trainee::seconds_left() const {
  if (config_.minutes > 0) return std::max(0.0, 60 * config_.minutes - seconds_);
  if (seconds_a_step_ == 0) return progress() < 1 ? -1 : 0;
  return static_cast<double>(std::max<int64_t>(0, options_.steps - step_)) * seconds_a_step_;
}

StepResult Trainee::train_step(const std::atomic<bool>& stop) {
  const auto begin = std::chrono::steady_clock::now();
  StepResult result;
  const BatchKey key{seed_, step_, group_.rank()};
  // Dropout and the like draw from torch's own generator: it too must be a function of the key.
  torch::manual_seed(splitmix64(seed_ ^ name_hash(name_) ^ splitmix64(static_cast<uint64_t>(step_ * 4096 + key.rank))));
  part_->module().train();
  bucket_.zero_();
  double own_loss = 0;
  for (int64_t piece = 0; piece < part_->pieces(); ++piece) {
    torch::Tensor loss;
    {
      const Autocast autocast(config_.bf16 && has_bf16(weights_.device()), weights_.device().type());
      loss = part_->loss({key.seed, key.step, key.rank, piece}, result.figures);
    }
    loss.backward();
    own_loss += loss.item<double>();
  }

  const torch::NoGradGuard no_grad;
  const auto extras = bucket_.narrow(0, weights_.numel(), kExtras);
  extras.copy_(
      torch::tensor({static_cast<float>(own_loss), static_cast<float>(seconds_since(begin)), stop ? 1.f : 0.f}));
  group_.average(bucket_);
  const torch::Tensor told = extras.to(torch::kCPU);
  result.figures["loss"] = told[0].item<float>();
  result.stop = told[2].item<float>() > 0;

  const double norm = clip_gradients();
  if (std::isfinite(norm) && std::isfinite(result.figures["loss"])) {
    static_cast<torch::optim::AdamWOptions&>(optimiser_->param_groups()[0].options())
        .lr(options_.learning_rate * learning_rate_factor(options_, step_, progress()));
    optimiser_->step();
    ema_->update(weights_, step_);
    refused_in_a_row_ = 0;
  } else if (++refused_in_a_row_ >= kRefusedAtMost) {
    throw Error("part " + name_ + ": no finite gradients for " + std::to_string(kRefusedAtMost) + " steps up to step " +
                std::to_string(step_) + "; lower its learning rate or look at its data");
  }
  result.figures["gradient"] = norm;
  ++step_;
  // The budget counts what all ranks agree on; the update itself is about the same for each.
  const double mine = seconds_since(begin);
  seconds_ += group_.world() > 1 ? told[1].item<float>() : mine;
  seconds_a_step_ = seconds_a_step_ == 0 ? mine : seconds_a_step_ + 0.05 * (mine - seconds_a_step_);
  return result;
}

Figures Trainee::validate() {
  const torch::NoGradGuard no_grad;
  const AverageSwappedIn swapped(weights_, ema_->average());
  torch::manual_seed(seed_);
  part_->module().eval();
  return part_->validate();
}

bool Trainee::validation_due(int64_t every) const {
  return step_ % (config_.validate_steps > 0 ? config_.validate_steps : every) == 0 || progress() >= 1;
}

NamedTensors Trainee::released() {
  const torch::NoGradGuard no_grad;
  const AverageSwappedIn swapped(weights_, ema_->average());
  NamedTensors tensors = module_tensors(part_->module(), part_->prefix());
  for (auto& [name, tensor] : tensors) tensor = tensor.detach().clone();
  return tensors;
}

// Names and shapes of what the flat tensors hold: a changed network must not take up another's numbers.
std::string Trainee::layout() {
  std::string text;
  for (const auto& item : part_->module().named_parameters()) {
    if (item.value().requires_grad()) text += item.key() + shape_text(item.value().sizes().vec()) + ";";
  }
  return text;
}

void Trainee::save(NamedTensors& tensors, Metadata& metadata) {
  tensors.emplace_back(name_ + "/weights", weights_.detach());
  tensors.emplace_back(name_ + "/average", ema_->average());
  const auto state = optimiser_->state().find(weights_.unsafeGetTensorImpl());
  if (state != optimiser_->state().end()) {
    const auto& moments = static_cast<const torch::optim::AdamWParamState&>(*state->second);
    tensors.emplace_back(name_ + "/moment1", moments.exp_avg());
    tensors.emplace_back(name_ + "/moment2", moments.exp_avg_sq());
    metadata[name_ + ".updates"] = std::to_string(moments.step());
  }
  for (const auto& item : part_->module().named_buffers()) {
    tensors.emplace_back(name_ + "/buffer/" + item.key(), item.value());
  }
  metadata[name_ + ".step"] = std::to_string(step_);
  metadata[name_ + ".seconds"] = std::to_string(seconds_);
  metadata[name_ + ".layout"] = layout();
  metadata[name_ + ".seed"] = std::to_string(seed_);
}

bool Trainee::resume(const SafetensorsFile& file) {
  const Metadata& metadata = file.header().metadata;
  if (!metadata.contains(name_ + ".step")) return false;
  const auto text = [&](const std::string& key) {
    const auto found = metadata.find(name_ + "." + key);
    if (found == metadata.end()) throw Error(file.path().string() + ": no " + name_ + "." + key + " in it");
    return found->second;
  };
  const auto tensor = [&](const std::string& key, const torch::Tensor& like) {
    const TensorInfo* info = file.header().find(name_ + "/" + key);
    if (!info || info->shape != like.sizes().vec()) {
      throw Error(file.path().string() + ": tensor " + name_ + "/" + key + " is missing or of another shape");
    }
    return read_tensor(file, *info).to(like.device(), like.scalar_type());
  };
  if (text("layout") != layout()) {
    throw Error(file.path().string() + ": part " + name_ +
                " has other layers now than when this was saved; train it anew, without --resume");
  }
  if (text("seed") != std::to_string(seed_)) {
    throw Error(file.path().string() + ": was trained with seed " + text("seed") + ", the configuration says " +
                std::to_string(seed_));
  }
  const torch::NoGradGuard no_grad;
  weights_.copy_(tensor("weights", weights_));
  ema_->average().copy_(tensor("average", weights_));
  for (auto item : part_->module().named_buffers()) item.value().copy_(tensor("buffer/" + item.key(), item.value()));
  if (metadata.contains(name_ + ".updates")) {
    auto state = std::make_unique<torch::optim::AdamWParamState>();
    state->step(std::stoll(text("updates")));
    state->exp_avg(tensor("moment1", weights_));
    state->exp_avg_sq(tensor("moment2", weights_));
    optimiser_->state()[weights_.unsafeGetTensorImpl()] = std::move(state);
  }
  step_ = std::stoll(text("step"));
  seconds_ = std::stod(text("seconds"));
  return true;
}

}  // namespace fastsag::model
