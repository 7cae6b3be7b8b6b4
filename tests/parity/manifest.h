#pragma once
// The lists of the published files' tensors (../shared/parity/manifest_*.json) against a module of ours.
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/shared.h"

namespace fastsag::test {

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
