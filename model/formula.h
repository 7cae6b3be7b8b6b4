#pragma once
// Parameters and inputs that a formula makes, so that full-size models can be compared between programs and languages
// without shipping weights: each value is a function of its name and its position.
//
// Shapes: float32 on the CPU, rounded once from double.
// Errors: fastsag::Error where no rule knows a parameter's name.
// Source: parity/README.md of the golden tensors, "Parameter and input formula"; hashes: FNV-1a (Fowler, Noll, Vo) and
// splitmix64 (hashed_normal.h).
#include <torch/torch.h>

#include <string>
#include <string_view>

namespace fastsag::model {

enum class FormulaModel { fastsag, bigvgan, mert };

uint64_t fnv1a64(std::string_view text);

// `key` as in the published state dict, weight norm in the spelling weight_g / weight_v; it decides the rule.
// `hash_prefix` goes before it in the hash alone: the same model with other weights.
torch::Tensor formula_parameter(const std::string& key, at::IntArrayRef shape, FormulaModel model,
                                const std::string& hash_prefix = "");

// Every parameter of `module`, whose key is `prefix` ("" or "decoder.estimator.") + its name. A weight that the
// published model keeps weight-normed is made as g and v and folded, in double. Buffers stay what they are.
void fill_by_formula(torch::nn::Module& module, FormulaModel model, const std::string& prefix = "",
                     const std::string& hash_prefix = "");

// Inputs of the golden cases: uniform in [-scale, scale), or normal with deviation 1.
torch::Tensor formula_uniform(const std::string& name, at::IntArrayRef shape, double scale = 1);
torch::Tensor formula_normal(const std::string& name, at::IntArrayRef shape);

}  // namespace fastsag::model
