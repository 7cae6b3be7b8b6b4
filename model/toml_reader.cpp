#include "model/toml_reader.h"

#include <algorithm>

#include "dsp/error.h"

namespace fastsag::model {
namespace {

template <class Parse>
toml::table parse_or_throw(const Parse& parse) {
  try {
    return parse();
  } catch (const toml::parse_error& error) {
    throw Error(toml_place(error.source()) + std::string(error.description()));
  }
}

}  // namespace

void throw_toml_errors(const TomlErrors& errors) {
  if (errors.empty()) return;
  std::string message = errors.front();
  for (size_t i = 1; i < errors.size(); ++i) message += "\n" + errors[i];
  throw Error(message);
}

toml::table parse_toml_file(const std::string& file) {
  return parse_or_throw([&]() -> toml::table { return toml::parse_file(file); });
}

toml::table parse_toml_text(const std::string& text, const std::string& source) {
  return parse_or_throw([&]() -> toml::table { return toml::parse(text, source); });
}

std::string toml_place(const toml::source_region& region) {
  std::string place = region.path ? *region.path : "configuration";
  if (region.begin.line > 0) place.append(":").append(std::to_string(region.begin.line));
  return place.append(": ");
}

const toml::table& TomlReader::table(const std::string& key) {
  static const toml::table kEmpty;
  known_.push_back(key);
  const toml::node* node = table_.get(key);
  if (!node) return kEmpty;
  if (const toml::table* found = node->as_table()) return *found;
  error(key, "must be a table: [" + full(key) + "]");
  return kEmpty;
}

void TomlReader::error(const std::string& key, const std::string& what) {
  const toml::node* node = table_.get(key);
  errors_.push_back(toml_place(node ? node->source() : table_.source()) + full(key) + " " + what);
}

void TomlReader::finish() {
  for (const auto& [key, node] : table_) {
    const std::string name(key.str());
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    std::string message = toml_place(key.source()) + "unknown key " + full(name);
    const std::string nearest = nearest_name(name, known_);
    if (!nearest.empty()) {
      message += "; did you mean " + nearest + "?";
    } else {
      message += "; expected one of";
      for (const std::string& candidate : known_) message += " " + candidate;
    }
    errors_.push_back(message);
  }
}

}  // namespace fastsag::model
