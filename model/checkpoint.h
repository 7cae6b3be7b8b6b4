#pragma once
// Weights between torch modules and safetensors files, strictly: a module gets every one of its tensors, of its own
// shape, finite, and nothing is left over; or it stays untouched and one error lists all that differs.
//
// Errors: fastsag::Error as above; numbers that fp16 cannot hold are refused when saving, not found out when loading.
#include <torch/torch.h>

#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/safetensors.h"

namespace fastsag::model {

struct PrefixedModule {
  std::string prefix;                   // tensors are named prefix.parameter; empty: as the module names them
  torch::nn::Module* module = nullptr;  // null: the file may hold tensors of this prefix, and nobody here wants them
};
using NamedTensors = std::vector<std::pair<std::string, torch::Tensor>>;

// Parameters and buffers. Tensors of the file outside this prefix belong to others and are not looked at.
void load_module(torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix);
// The file belongs to these modules alone: a tensor that none of them wants is an error too.
void load_modules(std::span<const PrefixedModule> modules, const SafetensorsFile& file);

enum class Storage { fp32, fp16 };  // of floating point tensors; others stay what they are
void save_modules(const std::filesystem::path& file, std::span<const PrefixedModule> modules, const Metadata& metadata,
                  Storage storage);

NamedTensors module_tensors(torch::nn::Module& module, const std::string& prefix);
torch::Tensor read_tensor(const SafetensorsFile& file, const TensorInfo& info);  // a copy, as stored
void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors, const Metadata& metadata,
                  Storage storage);

}  // namespace fastsag::model
