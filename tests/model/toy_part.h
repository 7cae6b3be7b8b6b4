#pragma once
// Parts small enough to reason about: a regression whose batches are a function of the key, as real ones must be.
#include <torch/torch.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "model/hashed_normal.h"
#include "model/train/part.h"

namespace fastsag::test {

using model::BatchKey;
using model::Part;
using model::PartOptions;

struct ToyNetImpl : torch::nn::Module {
  explicit ToyNetImpl(double drop) : dropout(drop) {
    first = register_module("first", torch::nn::Linear(4, 8));
    register_module("dropout", dropout);
    last = register_module("last", torch::nn::Linear(8, 1));
  }
  torch::Tensor forward(const torch::Tensor& x) { return last(dropout(torch::tanh(first(x)))); }
  torch::nn::Linear first{nullptr}, last{nullptr};
  torch::nn::Dropout dropout;
};
TORCH_MODULE(ToyNet);

struct ToyPart : Part {
  explicit ToyPart(std::string part_name, PartOptions part_options = {}, double drop = 0)
      : toy_name(std::move(part_name)), toy_options(part_options), net(drop) {}

  std::string name() const override { return toy_name; }
  torch::nn::Module& module() override { return *net; }
  PartOptions options() const override { return toy_options; }

  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>&) override {
    if (on_step) on_step(key.step);
    std::vector<torch::Tensor> batches;
    for (int i = 0; i < ranks_in_one; ++i) batches.push_back(inputs(key.seed, key.step, key.rank * ranks_in_one + i));
    const torch::Tensor x = torch::cat(batches);
    const torch::Tensor loss = torch::mse_loss(net(x), target(x)) * (key.step == poisoned || poisoned == -2 ? NAN : 1);
    losses.push_back(loss.item<double>());
    return loss;
  }
  std::map<std::string, double> validate() override {
    ++validations;
    was_training = was_training || net->is_training();
    const torch::Tensor x = inputs(99, 0, 0);
    return {{"loss", torch::mse_loss(net(x), target(x)).item<double>()}};
  }

  static torch::Tensor inputs(uint64_t seed, int64_t step, int rank) {
    torch::Tensor x = torch::empty({6, 4});
    for (int64_t i = 0; i < x.numel(); ++i) {
      x.data_ptr<float>()[i] = model::hashed_normal(
          model::splitmix64(seed * 1000003 + static_cast<uint64_t>(step * 64 + rank)), static_cast<uint64_t>(i));
    }
    return x;
  }
  static torch::Tensor target(const torch::Tensor& x) { return (x.sum(1, true) * 0.5).sin(); }

  std::string toy_name;
  PartOptions toy_options;
  ToyNet net;
  int ranks_in_one = 1;   // the batches of so many ranks in one
  int64_t poisoned = -1;  // a step whose loss is NaN; -2: all
  int validations = 0;
  bool was_training = false;  // while validating
  std::vector<double> losses;
  std::function<void(int64_t)> on_step;
};

inline PartOptions toy_options(int64_t steps) {
  PartOptions options;
  options.steps = steps;
  options.learning_rate = 1e-2;
  options.warmup = 5;
  options.ema = 0.9;
  return options;
}

}  // namespace fastsag::test
