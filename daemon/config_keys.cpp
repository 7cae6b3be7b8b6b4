#include "daemon/config_keys.h"

#include <algorithm>
#include <cctype>
#include <concepts>
#include <limits>
#include <optional>
#include <sstream>

#include "model/chord_reader.h"

namespace fastsag::daemon {
namespace {

template <typename Number>
std::string text(Number number) {
  std::ostringstream stream;
  stream << number;
  return stream.str();
}

template <typename Section, typename Value>
ConfigKey key_of(std::string_view section, Section Config::*part, std::string_view name, Value Section::*field,
                 std::string expected, std::function<std::optional<Value>(const toml::node&)> read) {
  ConfigKey key{section, name, std::move(expected), {}, {}};
  key.set = [part, field, read](Config& config, const toml::node& node) {
    auto value = read(node);
    if (value) config.*part.*field = *std::move(value);
    return value.has_value();
  };
  return key;
}

template <typename Section, std::integral Value>
ConfigKey whole(std::string_view section, Section Config::*part, std::string_view name, Value Section::*field,
                int64_t low, int64_t high, int64_t step = 1) {
  auto key = key_of<Section, Value>(section, part, name, field,
                                    "a whole number from " + text(low) +
                                        (high < std::numeric_limits<int64_t>::max() ? " to " + text(high) : "") +
                                        (step > 1 ? ", a multiple of " + text(step) : ""),
                                    [=](const toml::node& node) -> std::optional<Value> {
                                      const auto value = node.value_exact<int64_t>();
                                      if (!value || *value < low || *value > high || *value % step != 0)
                                        return std::nullopt;
                                      return static_cast<Value>(*value);
                                    });
  key.get = [part, field](const Config& config) { return text(config.*part.*field); };
  return key;
}

template <typename Section, std::floating_point Value>
ConfigKey number(std::string_view section, Section Config::*part, std::string_view name, Value Section::*field,
                 double low, double high) {
  auto key = key_of<Section, Value>(section, part, name, field, "a number from " + text(low) + " to " + text(high),
                                    [=](const toml::node& node) -> std::optional<Value> {
                                      const auto value = node.is_number() ? node.value<double>() : std::nullopt;
                                      if (!value || !(*value >= low && *value <= high)) return std::nullopt;
                                      return static_cast<Value>(*value);
                                    });
  key.get = [part, field](const Config& config) { return text(config.*part.*field); };
  return key;
}

template <typename Section>
ConfigKey flag(std::string_view section, Section Config::*part, std::string_view name, bool Section::*field) {
  auto key = key_of<Section, bool>(section, part, name, field, "true or false",
                                   [](const toml::node& node) { return node.value_exact<bool>(); });
  key.get = [part, field](const Config& config) { return text(config.*part.*field); };
  return key;
}

template <typename Section>
ConfigKey words(std::string_view section, Section Config::*part, std::string_view name, std::string Section::*field,
                std::string expected, std::function<bool(const std::string&)> valid = {}) {
  auto key = key_of<Section, std::string>(section, part, name, field, std::move(expected),
                                          [valid](const toml::node& node) -> std::optional<std::string> {
                                            auto value = node.value_exact<std::string>();
                                            if (!value || (valid && !valid(*value))) return std::nullopt;
                                            return value;
                                          });
  key.get = [part, field](const Config& config) { return config.*part.*field; };
  key.is_text = true;
  return key;
}

ConfigKey follows(ConfigKey key) {
  key.follows_reload = true;
  return key;
}

bool not_empty(const std::string& value) { return !value.empty(); }

bool is_device(const std::string& value) {
  if (value == "cpu" || value == "cuda") return true;
  return value.size() > 5 && value.starts_with("cuda:") && std::all_of(value.begin() + 5, value.end(), ::isdigit);
}

// "[channel N] note N" or "[channel N] control N".
std::optional<MidiTrigger> parse_trigger(const std::string& value) {
  std::istringstream in(value);
  std::string word, rest;
  int number = 0;
  MidiTrigger trigger;
  if (!(in >> word >> number)) return std::nullopt;
  if (word == "channel") {
    if (number < 1 || number > 16 || !(in >> word >> trigger.number)) return std::nullopt;
    trigger.channel = number;
  } else {
    trigger.number = number;
  }
  if ((word != "note" && word != "control") || trigger.number < 0 || trigger.number > 127 || in >> rest)
    return std::nullopt;
  trigger.kind = word == "note" ? MidiTrigger::Kind::note : MidiTrigger::Kind::control;
  return trigger;
}

ConfigKey trigger(std::string_view name, std::optional<MidiTrigger> MidiMap::*field) {
  ConfigKey key{"midi.map",
                name,
                "\"note N\" or \"control N\", N from 0 to 127, or with a channel: \"channel 10 note 36\"",
                {},
                {}};
  key.set = [field](Config& config, const toml::node& node) {
    const auto value = node.value_exact<std::string>();
    const auto parsed = value ? parse_trigger(*value) : std::nullopt;
    if (parsed) config.midi.map.*field = parsed;
    return parsed.has_value();
  };
  key.get = [field](const Config& config) {
    const auto& value = config.midi.map.*field;
    return value ? text(static_cast<int>(value->kind)) + " " + text(value->number) + " " +
                       text(value->channel.value_or(0))
                 : "";
  };
  key.is_text = key.follows_reload = true;
  return key;
}

ConfigKey mode_key() {
  auto key = key_of<EngineConfig, Mode>("engine", &Config::engine, "mode", &EngineConfig::mode,
                                        "\"delayed\" or \"live\"", [](const toml::node& node) -> std::optional<Mode> {
                                          const auto value = node.value_exact<std::string>();
                                          return value ? parse_mode(*value) : std::nullopt;
                                        });
  key.get = [](const Config& config) { return std::string(mode_name(config.engine.mode)); };
  key.is_text = key.follows_reload = true;
  return key;
}

ConfigKey style_key() {
  std::string expected;
  for (const auto name : model::kEnsembles) expected += (expected.empty() ? "\"" : ", \"") + std::string(name) + "\"";
  auto key = key_of<ModelConfig, model::Ensemble>("model", &Config::model, "style", &ModelConfig::style, expected,
                                                  [](const toml::node& node) -> std::optional<model::Ensemble> {
                                                    const auto value = node.value_exact<std::string>();
                                                    return value ? model::ensemble_of(*value) : std::nullopt;
                                                  });
  key.get = [](const Config& config) { return std::string(model::name_of(config.model.style)); };
  key.is_text = key.follows_reload = true;
  return key;
}

ConfigKey key_key() {
  ConfigKey key{"model", "key", std::string(model::kKeysAre), {}, {}};
  key.set = [](Config& config, const toml::node& node) {
    const auto value = node.value_exact<std::string>();
    const auto found = value ? model::read_key(*value) : std::nullopt;
    if (found) config.model.key = found;
    return found.has_value();
  };
  key.get = [](const Config& config) { return config.model.key ? model::chord_name(*config.model.key) : ""; };
  key.is_text = key.follows_reload = true;
  return key;
}

ConfigKey origins_key() {
  using Origins = std::vector<std::string>;
  auto key = key_of<ServerConfig, Origins>(
      "server", &Config::server, "origins", &ServerConfig::origins, "a list of pages, [\"https://stage.example\"]",
      [](const toml::node& node) -> std::optional<Origins> {
        const auto* array = node.as_array();
        if (!array) return std::nullopt;
        Origins origins;
        for (const auto& entry : *array) {
          auto value = entry.value_exact<std::string>();
          if (!value || !(value->starts_with("http://") || value->starts_with("https://"))) return std::nullopt;
          origins.push_back(*std::move(value));
        }
        return origins;
      });
  key.get = [](const Config& config) {
    std::string all;
    for (const auto& origin : config.server.origins) all += origin + " ";
    return all;
  };
  return key;
}

std::vector<ConfigKey> make_keys() {
  constexpr auto server = &Config::server;
  constexpr auto audio = &Config::audio;
  constexpr auto midi = &Config::midi;
  constexpr auto engine = &Config::engine;
  constexpr auto model = &Config::model;
  const std::string device = "a device's name in quotes, \"default\" or \"none\"; `fastsag devices` lists them";
  const std::string port = "a port's name in quotes, or \"none\"; `fastsag devices` lists them";
  return {
      words("server", server, "host", &ServerConfig::host, "an address in quotes, as \"127.0.0.1\" or \"0.0.0.0\"",
            not_empty),
      whole("server", server, "port", &ServerConfig::port, 0, 65535),
      words("server", server, "token", &ServerConfig::token, "a word in quotes"),
      origins_key(),
      whole("server", server, "max_connections", &ServerConfig::max_connections, 1, 10000),
      words("server", server, "web", &ServerConfig::web, "a folder in quotes"),

      words("audio", audio, "input", &AudioConfig::input, device, not_empty),
      words("audio", audio, "output", &AudioConfig::output, device, not_empty),
      whole("audio", audio, "rate", &AudioConfig::rate, 8000, 192000, 50),
      whole("audio", audio, "block", &AudioConfig::block, 16, 8192),
      follows(number("audio", audio, "monitor_db", &AudioConfig::monitor_db, AudioConfig::kOffDb, 12)),

      words("midi", midi, "input", &MidiConfig::input, port, not_empty),
      words("midi", midi, "output", &MidiConfig::output, port, not_empty),
      follows(flag("midi", midi, "clock", &MidiConfig::clock)),
      trigger("mute", &MidiMap::mute),
      trigger("level", &MidiMap::level),
      trigger("next_seed", &MidiMap::next_seed),
      trigger("tap", &MidiMap::tap),
      trigger("mode", &MidiMap::mode),

      mode_key(),
      number("engine", engine, "hop_s", &EngineConfig::hop_s, 0.2, 4),
      number("engine", engine, "context_s", &EngineConfig::context_s, 0, 4),
      number("engine", engine, "reserve_s", &EngineConfig::reserve_s, 0.25, 6),
      number("engine", engine, "idle_s", &EngineConfig::idle_s, 1, 3600),
      whole("engine", engine, "max_rooms", &EngineConfig::max_rooms, 1, 256),
      follows(number("engine", engine, "accompaniment_gain_db", &EngineConfig::accompaniment_gain_db, -60, 24)),

      words("model", model, "preset", &ModelConfig::preset, "a preset's name or the path of a .toml file, in quotes",
            not_empty),
      words("model", model, "preset_dir", &ModelConfig::preset_dir, "a folder in quotes"),
      words("model", model, "device", &ModelConfig::device, "\"cpu\", \"cuda\" or \"cuda:N\"", is_device),
      follows(whole("model", model, "seed", &ModelConfig::seed, 0, std::numeric_limits<int64_t>::max())),
      style_key(),
      follows(number("model", model, "temperature", &ModelConfig::temperature, 0.2, 1.5)),
      follows(number("model", model, "density", &ModelConfig::density, -1, 1)),
      follows(number("model", model, "loudness", &ModelConfig::loudness, -1, 1)),
      key_key(),
      follows(
          words("model", model, "chart", &ModelConfig::chart_file, "the path of a ChordPro file in quotes", not_empty)),
      whole("model", model, "steps", &ModelConfig::steps, 0, 1000),
      whole("model", model, "threads", &ModelConfig::threads, 1, 256),
  };
}

}  // namespace

std::span<const ConfigKey> config_keys() {
  static const std::vector<ConfigKey> keys = make_keys();
  return keys;
}

}  // namespace fastsag::daemon
