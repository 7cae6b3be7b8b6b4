#include "model/checkpoint.h"

#include <cstring>
#include <set>

#include "dsp/error.h"

namespace fastsag::model {
namespace {

constexpr std::pair<DType, torch::ScalarType> kTypes[] = {
    {DType::f32, torch::kFloat32}, {DType::f16, torch::kFloat16}, {DType::bf16, torch::kBFloat16},
    {DType::i64, torch::kInt64},   {DType::i32, torch::kInt32},   {DType::i16, torch::kInt16},
    {DType::u8, torch::kUInt8}};

torch::ScalarType torch_type(DType dtype) {
  for (const auto& [ours, theirs] : kTypes) {
    if (ours == dtype) return theirs;
  }
  throw Error("no torch type for " + std::string(dtype_name(dtype)));
}

DType file_type(const torch::Tensor& tensor, const std::string& name) {
  for (const auto& [ours, theirs] : kTypes) {
    if (theirs == tensor.scalar_type()) return ours;
  }
  throw Error("tensor " + name + " is of type " + std::string(c10::toString(tensor.scalar_type())) +
              ", which weights files do not hold");
}

// Why `stored` cannot become `wanted`; empty where it can. Fills `read` with what was stored.
std::string mismatch(const SafetensorsFile& file, const TensorInfo& stored, const torch::Tensor& wanted,
                     torch::Tensor& read) {
  if (stored.shape != wanted.sizes().vec()) {
    return "shape " + shape_text(stored.shape) + ", expected " + shape_text(wanted.sizes().vec());
  }
  read = read_tensor(file, stored);
  if (read.is_floating_point() != wanted.is_floating_point()) {
    return "type " + std::string(dtype_name(stored.dtype)) + ", expected " + c10::toString(wanted.scalar_type());
  }
  if (read.is_floating_point() && !torch::isfinite(read).all().item<bool>()) return "holds NaN or infinite values";
  return "";
}

// Reads all, changes nothing until nothing differs.
void load(std::span<const PrefixedModule> modules, const SafetensorsFile& file, bool whole_file) {
  std::vector<std::string> differences;
  std::vector<std::pair<torch::Tensor, torch::Tensor>> assignments;
  std::set<std::string> wanted;
  for (const PrefixedModule& part : modules) {
    if (!part.module) continue;
    for (auto& [name, tensor] : module_tensors(*part.module, part.prefix)) {
      wanted.insert(name);
      const TensorInfo* stored = file.header().find(name);
      torch::Tensor read;
      const std::string difference =
          stored ? mismatch(file, *stored, tensor, read) : "missing, expected " + shape_text(tensor.sizes().vec());
      if (!difference.empty()) differences.push_back(name + ": " + difference);
      assignments.emplace_back(tensor, read);
    }
  }
  for (const TensorInfo& info : file.header().tensors) {
    bool ours = whole_file;
    for (const PrefixedModule& part : modules) {
      if (part.module) ours = ours || part.prefix.empty() || info.name.starts_with(part.prefix + ".");
    }
    for (const PrefixedModule& part : modules) {
      if (!part.module && info.name.starts_with(part.prefix + ".")) ours = false;
    }
    if (ours && !wanted.contains(info.name)) differences.push_back(info.name + ": not wanted by this model");
  }
  if (!differences.empty()) {
    std::string message = file.path().string() + ": weights do not fit the model, " +
                          std::to_string(differences.size()) + " differences (was it made for another preset?):";
    for (const std::string& difference : differences) message += "\n  " + difference;
    throw Error(message);
  }
  const torch::NoGradGuard no_grad;
  for (auto& [tensor, read] : assignments) tensor.copy_(read);
}

}  // namespace

NamedTensors module_tensors(torch::nn::Module& module, const std::string& prefix) {
  const std::string start = prefix.empty() ? "" : prefix + ".";
  NamedTensors tensors;
  for (const auto& item : module.named_parameters()) tensors.emplace_back(start + item.key(), item.value());
  for (const auto& item : module.named_buffers()) tensors.emplace_back(start + item.key(), item.value());
  return tensors;
}

torch::Tensor read_tensor(const SafetensorsFile& file, const TensorInfo& info) {
  torch::Tensor tensor = torch::empty(info.shape, torch::dtype(torch_type(info.dtype)));
  const auto bytes = file.data(info);
  if (!bytes.empty()) std::memcpy(tensor.data_ptr(), bytes.data(), bytes.size());
  return tensor;
}

void load_module(torch::nn::Module& module, const SafetensorsFile& file, const std::string& prefix) {
  const PrefixedModule part{prefix, &module};
  load(std::span(&part, 1), file, false);
}

void load_modules(std::span<const PrefixedModule> modules, const SafetensorsFile& file) { load(modules, file, true); }

void save_tensors(const std::filesystem::path& file, const NamedTensors& tensors, const Metadata& metadata,
                  Storage storage) {
  std::vector<torch::Tensor> kept;  // the bytes live here until they are written
  std::vector<TensorBytes> entries;
  for (const auto& [name, tensor] : tensors) {
    torch::Tensor value = tensor.detach().to(torch::kCPU).contiguous();
    if (value.is_floating_point()) {
      value = value.to(storage == Storage::fp16 ? torch::kFloat16 : torch::kFloat32);
      if (!torch::isfinite(value).all().item<bool>()) {
        throw Error("cannot save " + file.string() + ": tensor " + name + " holds NaN, infinite values" +
                    (storage == Storage::fp16 ? ", or values beyond fp16 (65504); store fp32" : ""));
      }
    }
    kept.push_back(value);
    entries.push_back({name,
                       file_type(value, name),
                       value.sizes().vec(),
                       {static_cast<const std::byte*>(value.data_ptr()), value.nbytes()}});
  }
  write_safetensors(file, entries, metadata);
}

void save_modules(const std::filesystem::path& file, std::span<const PrefixedModule> modules, const Metadata& metadata,
                  Storage storage) {
  NamedTensors all;
  for (const PrefixedModule& part : modules) {
    for (auto& entry : module_tensors(*part.module, part.prefix)) all.push_back(std::move(entry));
  }
  save_tensors(file, all, metadata, storage);
}

}  // namespace fastsag::model
