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

// Metadata of this beginning names a part and says in words what it is: "part.mixed_encoder" = "prior WaveNet".
constexpr std::string_view kPart = "part.";

// The named part that a tensor belongs to, else the first word of its name.
std::string part_of(const std::string& tensor, const Metadata& metadata) {
  std::string found;
  for (const auto& [key, words] : metadata) {
    if (!key.starts_with(kPart)) continue;
    const std::string part = key.substr(kPart.size());
    if (tensor.starts_with(part + ".") && part.size() > found.size()) found = part;
  }
  return found.empty() ? tensor.substr(0, tensor.find_first_of("./")) : found;
}

}  // namespace

std::string describe_file(const std::filesystem::path& file) {
  const SafetensorsFile weights(file);
  const SafetensorsHeader& header = weights.header();
  std::map<std::string, PartSize> parts;
  PartSize all;
  size_t name_width = 0, part_width = 0;
  for (const TensorInfo& info : header.tensors) {
    const std::string prefix = printable(part_of(info.name, header.metadata));
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
  const auto words = [&](const std::string& key) {
    const auto found = header.metadata.find(key);
    return found == header.metadata.end() ? "" : printable(found->second);
  };
  std::string text = file.string() + ": " + size_text(all);
  if (const std::string about = words("about"); !about.empty()) text += about + "\n";
  for (const auto& [name, size] : parts) {
    const std::string what = words(std::string(kPart) + name);
    text += "  " + padded(name, part_width + 2) + (what.empty() ? "" : what + ": ") + size_text(size);
  }
  std::string notes;
  for (const auto& [key, value] : header.metadata) {
    if (key == "about" || key.starts_with(kPart)) continue;
    notes += "  " + printable(key) + " = " + printable(value) + "\n";
  }
  if (!notes.empty()) text += "\nmetadata\n" + notes;
  if (!header.tensors.empty()) text += "\ntensors\n";
  for (const TensorInfo& info : header.tensors) {
    text += "  " + padded(printable(info.name), name_width + 2) + padded(std::string(dtype_name(info.dtype)), 6) +
            shape_text(info.shape) + "\n";
  }
  return text;
}

}  // namespace fastsag::model
