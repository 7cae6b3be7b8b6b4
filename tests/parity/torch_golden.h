#pragma once
// Golden tensors and torch's: the reference's own slice of ours is taken, as tolerances.json has it, and held to both
// tolerances.
#include <torch/torch.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/golden.h"
#include "tests/support/shared.h"

namespace fastsag::test {

inline torch::Tensor tensor_of(const Tensor& golden) {
  return torch::from_blob(const_cast<float*>(golden.values.data()), golden.shape).clone();
}

inline std::span<const float> values_of(const torch::Tensor& dense) {
  return {dense.const_data_ptr<float>(), static_cast<size_t>(dense.numel())};
}

// "[:, ::4, :190]" of numpy.
inline torch::Tensor sliced(const torch::Tensor& full, const std::string& slice) {
  if (slice.empty()) return full;
  std::vector<torch::indexing::TensorIndex> index;
  std::istringstream dims(slice.substr(1, slice.size() - 2));
  for (std::string dim; std::getline(dims, dim, ',');) {
    std::vector<std::optional<c10::SymInt>> parts;
    std::istringstream numbers(dim);
    for (std::string number; std::getline(numbers, number, ':');) {
      const bool empty = number.find_first_not_of(' ') == std::string::npos;
      parts.push_back(empty ? std::nullopt : std::optional<c10::SymInt>(std::stoll(number)));
    }
    parts.resize(3);
    index.push_back(torch::indexing::Slice(parts[0], parts[1], parts[2]));
  }
  return full.index(index);
}

// `full`: the reference's whole tensor as we make it.
inline void expect_golden(const Golden& golden, const std::string& case_name, const std::string& tensor,
                          const torch::Tensor& full) {
  static const nlohmann::json facts = nlohmann::json::parse(std::ifstream(shared("parity") / "tolerances.json"));
  const torch::Tensor ours = sliced(full, facts.at(case_name).at(tensor).at("slice")).to(torch::kFloat).contiguous();
  ASSERT_EQ(ours.sizes().vec(), golden[tensor].shape) << case_name << "/" << tensor;
  golden.expect_close(tensor, values_of(ours));
}

// A module's parameters are the published ones: the names of `manifest` that start with `prefix`, with their shapes.
// Names in `dropped` are known to be left out. weight_g and weight_v count as the weight that they fold to.
inline void expect_manifest(
    const torch::nn::Module& module, const std::string& manifest, const std::string& prefix,
    const std::function<bool(const std::string&)>& dropped = [](const auto&) { return false; }) {
  std::map<std::string, std::vector<int64_t>> published, ours;
  const nlohmann::json rows = nlohmann::json::parse(std::ifstream(shared("parity") / (manifest + ".json")))["tensors"];
  for (const auto& row : rows) {
    std::string key = row["key"];
    if (!key.starts_with(prefix) || key.ends_with("weight_g") || key.ends_with(".filter") || dropped(key)) continue;
    if (key.ends_with("weight_v")) key.resize(key.size() - 2);
    published[key.substr(prefix.size())] = row["shape"].get<std::vector<int64_t>>();
  }
  for (const auto& parameter : module.named_parameters()) ours[parameter.key()] = parameter.value().sizes().vec();
  EXPECT_EQ(ours, published);
}

}  // namespace fastsag::test
