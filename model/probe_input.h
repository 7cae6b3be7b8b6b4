#pragma once
// What a probed block is given: tensors by name, options, weights. Knows the block only by what it asks for here, so
// that each block says in one place what it needs, and gets it checked.
//
// Errors: ProbeError that names the tensor or option, what was found and what is expected.
#include <torch/torch.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "model/formula.h"
#include "model/probe.h"
#include "model/safetensors.h"

namespace fastsag::model {

class ProbeInput {
 public:
  explicit ProbeInput(const ProbeRequest& request);

  bool has(const std::string& name) const;
  // float32; -1: any size of at least 1.
  torch::Tensor tensor(const std::string& name, const std::vector<int64_t>& shape) const;
  torch::Tensor audio() const;  // [N] or [B][N] of that name, as [B][N]
  // One value or `count` of them, as `count`.
  std::vector<double> numbers(const std::string& name, int64_t count) const;
  std::vector<int64_t> integers(const std::string& name, int64_t count) const;  // none below 1

  // The value of an option, the first of `allowed` where it was not given.
  std::string option(const std::string& key, std::initializer_list<const char*> allowed) const;
  int count_option(const std::string& key, int otherwise) const;

  // Gives the module its weights: by formula under `prefix` ("mixed_encoder") + its names; from a file either those
  // that begin with the prefix, or, with none, the whole file but what begins with one of `others`.
  void load(torch::nn::Module& module, FormulaModel model, const std::string& prefix,
            const std::vector<std::string>& others = {}) const;

 private:
  const TensorInfo& find(const std::string& name) const;

  const ProbeRequest& request_;
  SafetensorsFile file_;
};

}  // namespace fastsag::model
