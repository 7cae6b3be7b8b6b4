#include "model/info.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "model/safetensors.h"

namespace fastsag::model {
namespace {

// Texts of a stranger's file go to a terminal: control characters would be commands there.
std::string printable(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

std::string padded(std::string text, size_t width) {
  text.resize(std::max(width, text.size()), ' ');
  return text;
}

std::string scaled(double value, const char* unit) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.2f M%s", value / 1e6, unit);
  return text.data();
}

struct PartSize {
  int64_t parameters = 0, tensors = 0, bytes = 0;
};

}  // namespace

std::string describe_file(const std::filesystem::path& file) {
  const SafetensorsFile weights(file);
  const SafetensorsHeader& header = weights.header();
  std::map<std::string, PartSize> parts;
  PartSize all;
  size_t name_width = 0, part_width = 0;
  for (const TensorInfo& info : header.tensors) {
    const std::string prefix = printable(info.name.substr(0, info.name.find_first_of("./")));
    for (PartSize* size : {&parts[prefix], &all}) {
      size->parameters += info.elements();
      size->bytes += static_cast<int64_t>(info.end - info.begin);
      ++size->tensors;
    }
    name_width = std::max(name_width, info.name.size());
    part_width = std::max(part_width, prefix.size());
  }

  const auto size_text = [](const PartSize& size) {
    return scaled(static_cast<double>(size.parameters), " parameters, ") +
           scaled(static_cast<double>(size.bytes), "B, ") + std::to_string(size.tensors) + " tensors\n";
  };
  std::string text = file.string() + ": " + size_text(all);
  for (const auto& [name, size] : parts) text += "  " + padded(name, part_width + 2) + size_text(size);
  if (!header.metadata.empty()) text += "\nmetadata\n";
  for (const auto& [key, value] : header.metadata) text += "  " + printable(key) + " = " + printable(value) + "\n";
  if (!header.tensors.empty()) text += "\ntensors\n";
  for (const TensorInfo& info : header.tensors) {
    text += "  " + padded(printable(info.name), name_width + 2) + padded(std::string(dtype_name(info.dtype)), 6) +
            shape_text(info.shape) + "\n";
  }
  return text;
}

}  // namespace fastsag::model
