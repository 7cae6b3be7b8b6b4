#pragma once
// Reads one TOML table strictly: a key that nobody asked for is an error with the nearest known key, a value of the
// wrong type or out of range too. Errors are collected, so that a person sees all of them at once.
//
// Only .cpp files that read a file include this: toml++ is a large header.
#include <toml++/toml.h>

#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "dsp/nearest_name.h"

namespace fastsag::model {

using TomlErrors = std::vector<std::string>;

// Throws one fastsag::Error with every line, or does nothing.
void throw_toml_errors(const TomlErrors& errors);
// Parses; a syntax error is thrown as fastsag::Error with file and line.
toml::table parse_toml_file(const std::string& file);
toml::table parse_toml_text(const std::string& text, const std::string& source);
std::string toml_place(const toml::source_region& region);  // "file:line: "

class TomlReader {
 public:
  // `name`: how messages call the table, "" at the top.
  TomlReader(const toml::table& table, std::string name, TomlErrors& errors)
      : table_(table), name_(std::move(name)), errors_(errors) {}

  // Leaves `value` as it is where the key is absent. Numbers must lie within [lowest, highest].
  template <class T>
  void read(const std::string& key, T& value, double lowest = std::numeric_limits<double>::lowest(),
            double highest = std::numeric_limits<double>::max());
  // The sub-table, or an empty one.
  const toml::table& table(const std::string& key);
  bool has(const std::string& key) const { return table_.contains(key); }
  void error(const std::string& key, const std::string& what);
  // Every key that was not read by now is unknown.
  void finish();

 private:
  std::string full(const std::string& key) const { return name_.empty() ? key : name_ + "." + key; }

  const toml::table& table_;
  std::string name_;
  TomlErrors& errors_;
  std::vector<std::string> known_;
};

template <class T>
void TomlReader::read(const std::string& key, T& value, double lowest, double highest) {
  known_.push_back(key);
  const toml::node* node = table_.get(key);
  if (!node) return;
  if constexpr (std::is_same_v<T, bool>) {
    if (const auto found = node->value_exact<bool>()) return void(value = *found);
    error(key, "must be true or false");
  } else if constexpr (std::is_same_v<T, std::string>) {
    if (const auto found = node->value_exact<std::string>()) return void(value = *found);
    error(key, "must be a text in quotes");
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    const toml::array* list = node->as_array();
    if (!list || !list->is_homogeneous<std::string>()) return error(key, "must be a list of texts");
    value.clear();
    for (const auto& item : *list) value.push_back(item.value_or(std::string()));
  } else {
    const auto found = std::is_integral_v<T> && !node->is_integer() ? std::nullopt : node->value<double>();
    if (!found) return error(key, std::is_integral_v<T> ? "must be a whole number" : "must be a number");
    if (!(*found >= lowest && *found <= highest)) {
      return error(key, "is " + std::to_string(*found) + ", expected " + std::to_string(lowest) + " to " +
                            (highest < 1e300 ? std::to_string(highest) : "any"));
    }
    value = static_cast<T>(*found);
  }
}

}  // namespace fastsag::model
