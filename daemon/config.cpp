#include "daemon/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <map>
#include <memory>
#include <sstream>

#include "daemon/config_keys.h"
#include "dsp/error.h"
#include "dsp/nearest_name.h"

namespace fastsag::daemon {
namespace {

std::string describe(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_table<decltype(value)>)
      text << "a table";
    else if constexpr (toml::is_array<decltype(value)>)
      text << "a list";
    else if constexpr (toml::is_string<decltype(value)>)
      text << '"' << *value << '"';
    else
      text << value;
  });
  return text.str();
}

// Everything wrong so far, in the order of the file.
class Errors {
 public:
  void add(std::string_view file, int64_t line, const std::string& what) {
    entries_.push_back({line, std::string(file) + ":" + std::to_string(line) + ": " + what});
  }
  void add_elsewhere(const std::string& where, const std::string& what) {
    entries_.push_back({kLast, where + ": " + what});
  }
  bool empty() const { return entries_.empty(); }
  std::string lines() const {
    auto sorted = entries_;
    std::ranges::stable_sort(sorted, {}, &Entry::line);
    std::string all;
    for (const auto& entry : sorted) all += (all.empty() ? "" : "\n") + entry.text;
    return all;
  }

 private:
  static constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  struct Entry {
    int64_t line;
    std::string text;
  };
  std::vector<Entry> entries_;
};

std::string join(const std::vector<std::string>& names) {
  std::string all;
  for (const auto& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

std::string suggestion(std::string_view found, const std::vector<std::string>& known) {
  const auto nearest = nearest_name(found, known);
  return nearest.empty() ? "; expected one of " + join(known) : "; did you mean " + nearest + "?";
}

std::vector<std::string> sections() {
  std::vector<std::string> names;
  for (const auto& key : config_keys())
    if (std::ranges::find(names, key.section) == names.end()) names.emplace_back(key.section);
  return names;
}

std::vector<std::string> keys_of(std::string_view section) {
  std::vector<std::string> names;
  for (const auto& key : config_keys())
    if (key.section == section) names.emplace_back(key.name);
  return names;
}

const ConfigKey* find_key(std::string_view section, std::string_view name) {
  for (const auto& key : config_keys())
    if (key.section == section && key.name == name) return &key;
  return nullptr;
}

struct Reader {
  Config config;
  Errors errors;
  std::map<std::string, int64_t> given;  // "section.key": its line, 0 where it comes from elsewhere

  // Empty, or what is wrong.
  std::string set(std::string_view section, std::string_view name, const toml::node& value, int64_t line = 0) {
    const std::string label = "[" + std::string(section) + "] " + std::string(name);
    const ConfigKey* key = find_key(section, name);
    if (!key) return label + ": no such key" + suggestion(name, keys_of(section));
    if (!key->set(config, value)) return label + " = " + describe(value) + ": expected " + key->expected;
    given[std::string(section) + "." + std::string(name)] = line;
    return {};
  }

  void section(const std::string& name, const toml::table& table, std::string_view file) {
    for (const auto& [key, value] : table) {
      const std::string inner = name + "." + std::string(key.str());
      const int64_t line = key.source().begin.line;
      if (value.is_table() && std::ranges::count(sections(), inner) > 0) {
        section(inner, *value.as_table(), file);
      } else if (const std::string error = set(name, key.str(), value, line); !error.empty()) {
        errors.add(file, line, error);
      }
    }
  }

  void file(std::string_view text, std::string_view name) {
    try {
      const toml::table root = toml::parse(text, name);
      for (const auto& [key, value] : root) {
        const int64_t line = key.source().begin.line;
        const std::string label(key.str());
        if (std::ranges::count(sections(), label) == 0)
          errors.add(name, line, "[" + label + "]: no such section" + suggestion(label, sections()));
        else if (!value.is_table())
          errors.add(name, line, label + " = " + describe(value) + ": expected a section, [" + label + "]");
        else
          section(label, *value.as_table(), name);
      }
    } catch (const toml::parse_error& error) {
      errors.add(name, error.source().begin.line, "not TOML: " + std::string(error.description()));
    }
  }

  void override(const std::string& text) {
    if (const std::string error = overridden(text); !error.empty()) errors.add_elsewhere("--set " + text, error);
  }

  std::string overridden(const std::string& text) {
    const size_t equals = text.find('='), dot = text.substr(0, equals).rfind('.');
    if (equals == std::string::npos || dot == std::string::npos)
      return "expected section.key=value, as in --set engine.mode=live";
    const std::string section = text.substr(0, dot), name = text.substr(dot + 1, equals - dot - 1);
    const std::string value = text.substr(equals + 1);
    if (std::ranges::count(sections(), section) == 0)
      return "[" + section + "]: no such section" + suggestion(section, sections());
    const ConfigKey* key = find_key(section, name);
    if (!(key && key->is_text)) {
      try {
        const toml::table table = toml::parse("value = " + value);
        if (const auto* node = table.get("value"); node && table.size() == 1) return set(section, name, *node);
      } catch (const toml::parse_error&) {  // a bare string
      }
    }
    const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
    return set(section, name, toml::value<std::string>(quoted ? value.substr(1, value.size() - 2) : value));
  }

  void read_chart(const std::string& where) {
    const std::string& file = config.model.chart_file;
    try {
      config.model.chart = std::make_shared<const model::Chart>(model::load_chart(file));
    } catch (const Error& error) {
      const std::string what = "[model] chart = \"" + file + "\": " + error.what();
      const int64_t line = given["model.chart"];
      if (line > 0)
        errors.add(where, line, what);
      else
        errors.add_elsewhere(where, what);
    }
  }

  // What one key alone cannot tell.
  void finish(const std::string& where) {
    if (!given.contains("engine.reserve_s")) config.engine.reserve_s = config.engine.hop_s + 0.5;
    if (config.engine.reserve_s < config.engine.hop_s + 0.25)
      errors.add_elsewhere(
          where,
          "[engine] reserve_s = " + std::to_string(config.engine.reserve_s) +
              ": expected hop_s + 0.25 or more, so that one lost window is survived; leave it out for hop_s + 0.5");
    if (!config.model.chart_file.empty()) read_chart(where);
    const std::string& host = config.server.host;
    if (host != "localhost" && host != "::1" && !host.starts_with("127.") && config.server.token.empty())
      errors.add_elsewhere(
          where, "[server] host = " + host + ": others can reach it, so it needs a token; set [server] token");
  }
};

}  // namespace

Config parse_config(std::string_view text, std::string_view name, std::span<const std::string> overrides) {
  Reader reader;
  reader.file(text, name);
  for (const auto& text_of_one : overrides) reader.override(text_of_one);
  reader.finish(name.empty() ? "defaults" : std::string(name));
  if (!reader.errors.empty()) throw Error(reader.errors.lines());
  return reader.config;
}

Config load_config(const std::filesystem::path& file, std::span<const std::string> overrides) {
  if (file.empty()) return parse_config("", "", overrides);
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  if (std::filesystem::is_directory(file) || !stream || !(text << stream.rdbuf(), stream.good() || stream.eof()))
    throw Error("cannot read the configuration " + file.string() +
                "; expected a TOML file that exists and may be read");
  return parse_config(text.str(), file.filename().string(), overrides);
}

std::vector<std::string> needs_restart(const Config& running, const Config& fresh) {
  std::vector<std::string> names;
  for (const auto& key : config_keys())
    if (!key.follows_reload && key.get(running) != key.get(fresh))
      names.push_back(std::string(key.section) + "." + std::string(key.name));
  return names;
}

RoomSettings room_settings(const Config& config) {
  return {.sample_rate = config.audio.rate,
          .mode = config.engine.mode,
          .hop_s = config.engine.hop_s,
          .context_s = config.engine.context_s,
          .reserve_s = config.engine.reserve_s,
          .idle_s = config.engine.idle_s,
          .gain_db = config.engine.accompaniment_gain_db,
          .seed = config.model.seed,
          .style = config.model.style,
          .temperature = config.model.temperature,
          .density = config.model.density,
          .loudness = config.model.loudness,
          .key = config.model.key,
          .chart = config.model.chart};
}

}  // namespace fastsag::daemon
