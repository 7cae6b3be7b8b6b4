#include "protocol/message.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace fastsag::protocol {
namespace {

using nlohmann::json;

Fault bad_value(const std::string& what) { return {"bad_value", what, false}; }

// Reads the optional fields of one message; remembers the first complaint.
class Fields {
 public:
  explicit Fields(const json& object) : object_(object) {}

  std::optional<double> number(const char* key, double low, double high) {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (value->is_number())
      if (const double x = value->get<double>(); std::isfinite(x) && x >= low && x <= high) return x;
    return complain(key, "a number from " + json(low).dump() + " to " + json(high).dump(), *value);
  }
  std::optional<int64_t> integer(const char* key) {
    const json* value = find(key);
    if (!value) return std::nullopt;
    constexpr int64_t kMost = int64_t{1} << 50;
    if (value->is_number_integer() && !(value->is_number_unsigned() && value->get<uint64_t>() > kMost))
      if (const auto x = value->get<int64_t>(); x >= -kMost && x <= kMost) return x;
    return complain(key, "a whole number", *value);
  }
  std::optional<bool> boolean(const char* key) {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (value->is_boolean()) return value->get<bool>();
    return complain(key, "true or false", *value);
  }
  std::optional<Mode> mode(const char* key) {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (value->is_string())
      if (const auto mode = parse_mode(value->get<std::string>())) return mode;
    return complain(key, "\"delayed\" or \"live\"", *value);
  }
  std::optional<std::string> style(const char* key) {
    const json* value = find(key);
    if (!value) return std::nullopt;
    if (value->is_string())
      if (auto name = value->get<std::string>(); std::ranges::find(kStyles, name) != kStyles.end()) return name;
    std::string wanted;
    for (const auto& name : kStyles) wanted += (wanted.empty() ? "\"" : ", \"") + std::string(name) + "\"";
    return complain(key, wanted, *value);
  }
  // null takes back what was set: an empty text.
  std::optional<std::string> text(const char* key, size_t most) {
    const auto value = object_.find(key);
    if (value == object_.end()) return std::nullopt;
    if (value->is_null()) return "";
    if (value->is_string())
      if (auto text = value->get<std::string>(); text.size() <= most) return text;
    return complain(key, "a text of at most " + std::to_string(most) + " bytes, or null", *value);
  }
  const std::optional<Fault>& fault() const { return fault_; }
  const json* find(const char* key) const {
    const auto it = object_.find(key);
    return it == object_.end() || it->is_null() ? nullptr : &*it;
  }
  std::nullopt_t complain(const std::string& key, const std::string& wanted, const json& found) {
    if (!fault_) fault_ = bad_value("\"" + key + "\" must be " + wanted + ", found " + found.dump().substr(0, 40));
    return std::nullopt;
  }

 private:
  const json& object_;
  std::optional<Fault> fault_;
};

std::optional<uint64_t> seed(Fields& fields) {
  const auto value = fields.integer("seed");
  return value ? std::optional(static_cast<uint64_t>(*value)) : std::nullopt;
}

Start parse_start(Fields& fields) {
  Start start;
  if (const json* codec = fields.find("codec"); codec && *codec != "pcm_s16")
    fields.complain("codec", "\"pcm_s16\"", *codec);
  if (const auto rate = fields.number("sample_rate", 8000, 96000)) start.sample_rate = static_cast<uint32_t>(*rate);
  start.mode = fields.mode("mode");
  start.seed = seed(fields);
  return start;
}

Set parse_set(Fields& fields) {
  Set set;
  set.mode = fields.mode("mode");
  set.seed = seed(fields);
  set.accompaniment_gain_db = fields.number("accompaniment_gain_db", -60, 12);
  set.mute = fields.boolean("mute");
  if (const json* tempo = fields.find("tempo_bpm"); tempo && *tempo == 0)
    set.tempo_bpm = 0;
  else
    set.tempo_bpm = fields.number("tempo_bpm", 40, 240);
  set.beat_sample = fields.integer("beat_sample");
  set.temperature = fields.number("temperature", 0.2, 1.5);
  set.density = fields.number("density", -1, 1);
  set.loudness = fields.number("loudness", -1, 1);
  set.style = fields.style("style");
  set.key = fields.text("key", kMaxKeyBytes);
  set.chart = fields.text("chart", kMaxChartBytes);
  return set;
}

double tidy(double x) { return std::round(x * 10) / 10; }

}  // namespace

std::variant<ClientMessage, Fault> parse_client(std::string_view text) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Fault{"bad_message", "text messages are JSON objects with a \"type\"", false};
  const auto type = object.find("type");
  if (type == object.end() || !type->is_string())
    return Fault{"bad_message", "the message has no \"type\"; expected start, set, stop or ping", false};
  Fields fields(object);
  ClientMessage message;
  if (*type == "start")
    message = parse_start(fields);
  else if (*type == "set")
    message = parse_set(fields);
  else if (*type == "stop")
    message = Stop{};
  else if (*type == "ping")
    message = Ping{fields.integer("id").value_or(0)};
  else
    return Fault{"unknown_type", "unknown type; expected start, set, stop or ping", false};
  if (fields.fault()) return *fields.fault();
  return message;
}

std::string to_json(const Hello& hello) {
  return json{{"type", "hello"},
              {"protocol", kSubprotocol},
              {"room", hello.room},
              {"mode", mode_name(hello.mode)},
              {"sample_rate", hello.sample_rate},
              {"window_s", hello.window_s},
              {"hop_s", hello.hop_s},
              {"preset", hello.preset},
              {"styles", hello.styles},
              {"style", hello.style}}
      .dump();
}

std::string to_json(const Status& status) {
  return json{{"type", "status"},
              {"mode", mode_name(status.mode)},
              {"lead_ms", tidy(status.lead_ms)},
              {"delay_ms", tidy(status.delay_ms)},
              {"generate_p95_ms", tidy(status.generate_p95_ms)},
              {"windows", status.windows},
              {"stale", status.stale},
              {"gaps", status.gaps},
              {"dropped", status.dropped},
              {"lost_frames", status.lost_frames},
              {"level_db", tidy(status.level_db)},
              {"accompaniment_level_db", tidy(status.accompaniment_level_db)},
              {"listeners", status.listeners},
              {"voice_sample", status.voice_sample},
              {"preset", status.preset},
              {"device", status.device},
              {"eager", status.eager},
              {"fallbacks", status.fallbacks},
              {"notice", status.notice}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string to_json(const PlanMessage& plan) {
  json chords = json::array(), notes = json::array();
  for (const PlanChord& c : plan.chords)
    chords.push_back(
        {{"from_sample", c.from_sample}, {"name", c.name}, {"confidence", std::round(c.confidence * 100) / 100}});
  for (const PlanNote& n : plan.notes)
    notes.push_back({{"from_sample", n.from_sample},
                     {"samples", n.samples},
                     {"pitch", n.pitch},
                     {"velocity", n.velocity},
                     {"channel", n.channel}});
  return json{{"type", "plan"},
              {"chords", chords},
              {"notes", notes},
              {"key", plan.key},
              {"tempo_bpm", tidy(plan.tempo_bpm)},
              {"beat_sample", plan.beat_sample}}
      .dump();
}

std::string to_json(const Fault& fault) {
  return json{{"type", "error"}, {"code", fault.code}, {"message", fault.message}, {"fatal", fault.fatal}}.dump(
      -1, ' ', false, json::error_handler_t::replace);
}

std::string pong(int64_t id) { return json{{"type", "pong"}, {"id", id}}.dump(); }

}  // namespace fastsag::protocol
