#include "model/probe_input.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "model/checkpoint.h"

namespace fastsag::model {
namespace {

constexpr std::string_view kFormula = "formula";

SafetensorsFile opened(const std::filesystem::path& file) try {
  return SafetensorsFile(file);
} catch (const Error& error) {
  throw ProbeError(error.what());
}

std::string wanted_text(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "[" : ", ") + (size < 0 ? "any" : std::to_string(size));
  return text + "]";
}

}  // namespace

ProbeInput::ProbeInput(const ProbeRequest& request) : request_(request), file_(opened(request.in)) {}

bool ProbeInput::has(const std::string& name) const { return file_.header().find(name); }

const TensorInfo& ProbeInput::find(const std::string& name) const {
  if (const TensorInfo* info = file_.header().find(name)) return *info;
  std::string found;
  for (const TensorInfo& info : file_.header().tensors) found += (found.empty() ? "" : ", ") + info.name;
  throw ProbeError(request_.in.string() + ": no tensor " + name + ", which block " + request_.block + " needs; found " +
                   (found.empty() ? "none" : found));
}

torch::Tensor ProbeInput::tensor(const std::string& name, const std::vector<int64_t>& shape) const {
  const TensorInfo& info = find(name);
  const bool fits = std::ranges::equal(
      info.shape, shape, [](int64_t found, int64_t wanted) { return wanted < 0 ? found >= 1 : found == wanted; });
  if (!fits) {
    throw ProbeError(request_.in.string() + ": tensor " + name + " is " + shape_text(info.shape) + "; block " +
                     request_.block + " takes " + wanted_text(shape));
  }
  return read_tensor(file_, info).to(torch::kFloat);
}

torch::Tensor ProbeInput::audio() const {
  const std::string name = "audio";
  return find(name).shape.size() == 1 ? tensor(name, {-1}).unsqueeze(0) : tensor(name, {-1, -1});
}

std::vector<double> ProbeInput::numbers(const std::string& name, int64_t count) const {
  const TensorInfo& info = find(name);
  if (info.elements() != 1 && info.elements() != count) {
    throw ProbeError(request_.in.string() + ": tensor " + name + " holds " + std::to_string(info.elements()) +
                     " values; block " + request_.block + " takes 1" +
                     (count > 1 ? " or " + std::to_string(count) : ""));
  }
  const torch::Tensor all = read_tensor(file_, info).to(torch::kDouble).reshape({-1}).expand({count}).contiguous();
  return {all.data_ptr<double>(), all.data_ptr<double>() + count};
}

std::vector<int64_t> ProbeInput::integers(const std::string& name, int64_t count) const {
  std::vector<int64_t> whole;
  for (const double value : numbers(name, count)) {
    if (!(value >= 1 && value <= 1e6 && value == std::floor(value)))
      throw ProbeError(request_.in.string() + ": tensor " + name + " holds " + std::to_string(value) +
                       ", expected a whole number of at least 1");
    whole.push_back(static_cast<int64_t>(value));
  }
  return whole;
}

std::string ProbeInput::option(const std::string& key, std::initializer_list<const char*> allowed) const {
  const auto given = request_.options.find(key);
  if (given == request_.options.end()) return *allowed.begin();
  if (std::ranges::find(allowed, given->second) != allowed.end()) return given->second;
  std::string text;
  for (const char* value : allowed) text += (text.empty() ? "" : ", ") + std::string(value);
  throw ProbeError("option " + key + "=" + given->second + ": expected one of " + text);
}

int ProbeInput::count_option(const std::string& key, int otherwise) const {
  const auto given = request_.options.find(key);
  if (given == request_.options.end()) return otherwise;
  const std::string& text = given->second;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1 || value > 1000)
    throw ProbeError("option " + key + "=" + text + ": expected a number from 1 to 1000");
  return value;
}

void ProbeInput::load(torch::nn::Module& module, FormulaModel model, const std::string& prefix,
                      const std::vector<std::string>& others) const {
  const std::string& weights = request_.weights;
  if (weights.empty())
    throw ProbeError("block " + request_.block + " needs --weights: a file, formula, or formula:PREFIX");
  if (weights == kFormula || weights.starts_with(std::string(kFormula) + ":")) {
    const std::string hash_prefix = weights.size() > kFormula.size() ? weights.substr(kFormula.size() + 1) : "";
    fill_by_formula(module, model, prefix.empty() ? "" : prefix + ".", hash_prefix);
    return;
  }
  if (!std::filesystem::is_regular_file(weights))
    throw ProbeError("no such file: " + weights +
                     "; expected weights from tools/convert_checkpoint, formula, or "
                     "formula:PREFIX");
  const SafetensorsFile file(weights);
  if (!prefix.empty()) return load_module(module, file, prefix);
  std::vector<PrefixedModule> parts = {{"", &module}};
  for (const std::string& other : others) parts.push_back({other, nullptr});
  load_modules(parts, file);
}

}  // namespace fastsag::model
