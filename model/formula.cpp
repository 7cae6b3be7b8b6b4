#include "model/formula.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "dsp/error.h"
#include "model/hashed_normal.h"

namespace fastsag::model {
namespace {

struct Rule {
  double offset, scale;
};

// Variance is kept by 3 / fan_in; fan_in is everything but the first dimension, for transposed convolutions too.
double fan_scale(double gain, at::IntArrayRef shape) {
  return std::sqrt(gain / static_cast<double>(c10::multiply_integers(shape.slice(1))));
}

// The first rule that matches, in the order of the formula's table.
Rule rule_of(std::string_view key, at::IntArrayRef shape, FormulaModel model) {
  const auto ends = [key](std::string_view end) { return key.ends_with(end); };
  const auto starts = [key](std::string_view start) { return key.starts_with(start); };
  if (ends(".fn.g")) return {.5, .1};
  if (ends(".alpha") || ends(".beta")) return {0, .3};
  if (ends(".latents") || ends(".queries")) return {0, std::sqrt(3.0)};
  if (ends("weight_g")) {
    if (model == FormulaModel::mert) return {2, .2};
    if (model == FormulaModel::bigvgan && starts("resblocks.")) return {.5, .05};
    if (model == FormulaModel::bigvgan && key == "conv_pre.weight_g") return {.25, .025};
    return {1, .1};
  }
  if (ends("weight_v") || key == "masked_spec_embed") return {0, 1};
  if (shape.size() >= 2) {
    if (model == FormulaModel::mert && starts("feature_extractor.conv_layers.")) return {0, fan_scale(6, shape)};
    if (key == "mixed_encoder.final_conv.weight" || key == "semantic_encoder.0.final_conv.weight")
      return {0, fan_scale(.046875, shape)};
    if (ends(".to_qkv.weight")) return {0, fan_scale(.25, shape)};
    return {0, fan_scale(3, shape)};
  }
  if (ends(".weight")) return {1, .1};
  if (ends(".bias")) return {0, .05};
  throw Error("no formula for a parameter named " + std::string(key));
}

double signed_uniform(uint64_t key, int64_t index) {  // [-1, 1), exact
  return static_cast<double>(splitmix64(key + static_cast<uint64_t>(index)) >> 11) * 0x1p-52 - 1;
}

torch::Tensor fill(at::IntArrayRef shape, const auto& value_at) {
  torch::Tensor out = torch::empty(shape, torch::kFloat);
  float* const data = out.data_ptr<float>();
  at::parallel_for(0, out.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) data[i] = value_at(i);
  });
  return out;
}

torch::Tensor uniform(uint64_t key, at::IntArrayRef shape, Rule rule) {
  return fill(shape, [&](int64_t i) { return static_cast<float>(rule.offset + rule.scale * signed_uniform(key, i)); });
}

// The dimension that a published weight's norm is kept along, -1 where it has none.
int64_t norm_dim(std::string_view key, int64_t dims, FormulaModel model) {
  if (model == FormulaModel::bigvgan && dims >= 2 && key.ends_with(".weight")) return 0;
  if (model == FormulaModel::mert && key == "encoder.pos_conv_embed.conv.weight") return 2;
  return -1;
}

torch::Tensor folded(const std::string& key, at::IntArrayRef shape, FormulaModel model, const std::string& hash_prefix,
                     int64_t dim) {
  std::vector<int64_t> kept(shape.size(), 1), others;
  for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i) {
    if (i == dim)
      kept[static_cast<size_t>(i)] = shape[static_cast<size_t>(i)];
    else
      others.push_back(i);
  }
  const torch::Tensor g = formula_parameter(key + "_g", kept, model, hash_prefix).to(torch::kDouble);
  const torch::Tensor v = formula_parameter(key + "_v", shape, model, hash_prefix).to(torch::kDouble);
  return v.mul(g / v.square().sum(others, true).sqrt());
}

}  // namespace

uint64_t fnv1a64(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

torch::Tensor formula_parameter(const std::string& key, at::IntArrayRef shape, FormulaModel model,
                                const std::string& hash_prefix) {
  return uniform(fnv1a64(hash_prefix + key), shape, rule_of(key, shape, model));
}

void fill_by_formula(torch::nn::Module& module, FormulaModel model, const std::string& prefix,
                     const std::string& hash_prefix) {
  const torch::NoGradGuard no_grad;
  for (const auto& parameter : module.named_parameters()) {
    const std::string key = prefix + parameter.key();
    torch::Tensor value = parameter.value();
    const int64_t dim = norm_dim(key, value.dim(), model);
    value.copy_(dim < 0 ? formula_parameter(key, value.sizes(), model, hash_prefix)
                        : folded(key, value.sizes(), model, hash_prefix, dim));
  }
}

torch::Tensor formula_uniform(const std::string& name, at::IntArrayRef shape, double scale) {
  return uniform(fnv1a64("input:" + name), shape, {0, scale});
}

torch::Tensor formula_normal(const std::string& name, at::IntArrayRef shape) {
  const uint64_t key = fnv1a64("input:" + name);
  return fill(shape, [key](int64_t i) { return hashed_normal(key, static_cast<uint64_t>(i)); });
}

}  // namespace fastsag::model
