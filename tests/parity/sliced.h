#pragma once
// A whole tensor of ours against a golden that holds a part of the reference's: tolerances.json says which part, in
// numpy's notation.
#include <torch/torch.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/golden.h"
#include "tests/support/shared.h"

namespace fastsag::test {

// "[:, ::16, 4:8]" of x.
inline torch::Tensor sliced(torch::Tensor x, const std::string& notation) {
  std::stringstream parts(notation.substr(notation.empty() ? 0 : 1, notation.size() - (notation.empty() ? 0 : 2)));
  std::string part;
  for (int64_t dim = 0; std::getline(parts, part, ','); ++dim) {
    std::vector<std::optional<int64_t>> numbers;
    std::stringstream fields(part);
    for (std::string field; std::getline(fields, field, ':');) {
      const bool number = field.find_first_of("0123456789") != std::string::npos;
      numbers.push_back(number ? std::optional<int64_t>(std::stoll(field)) : std::nullopt);
    }
    numbers.resize(3);
    x = x.slice(dim, numbers[0], numbers[1], numbers[2].value_or(1));
  }
  return x;
}

inline void expect_golden(const Golden& golden, const std::string& file, const std::string& name,
                          const torch::Tensor& ours) {
  static const nlohmann::json tolerances = nlohmann::json::parse(std::ifstream(shared("parity") / "tolerances.json"));
  const torch::Tensor part = sliced(ours.to(torch::kFloat), tolerances.at(file).at(name).at("slice")).contiguous();
  EXPECT_EQ(part.sizes(), at::IntArrayRef(golden[name].shape)) << file << "/" << name;
  golden.expect_close(name, {part.data_ptr<float>(), static_cast<size_t>(part.numel())});
}

inline torch::Tensor tensor_of(const Golden& golden, const std::string& name) {
  const Tensor& stored = golden[name];
  return torch::tensor(stored.values).view(stored.shape);
}

// [1][1][width], 1 where a frame is.
inline torch::Tensor mask_of(int64_t frames, int64_t width) {
  return (torch::arange(width) < frames).to(torch::kFloat).view({1, 1, -1});
}

}  // namespace fastsag::test
