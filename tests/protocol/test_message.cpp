#include "protocol/message.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace fastsag::protocol {
namespace {

using nlohmann::json;

Fault fault_of(std::string_view text) {
  const auto parsed = parse_client(text);
  const Fault* fault = std::get_if<Fault>(&parsed);
  return fault ? *fault : Fault{"none", std::string(text), false};
}

TEST(Message, StartReadsWhatItIsTold) {
  const auto parsed = parse_client(R"({"type":"start","codec":"pcm_s16","sample_rate":44100,"mode":"live","seed":7})");
  const Start start = std::get<Start>(std::get<ClientMessage>(parsed));
  EXPECT_EQ(start.sample_rate, 44100u);
  EXPECT_EQ(start.mode, Mode::live);
  EXPECT_EQ(start.seed, 7u);
}

TEST(Message, SetTakesOnlyWhatIsThere) {
  const auto parsed = parse_client(R"({"type":"set","accompaniment_gain_db":-6,"mute":true,"tempo_bpm":0})");
  const Set set = std::get<Set>(std::get<ClientMessage>(parsed));
  EXPECT_EQ(set.accompaniment_gain_db, -6);
  EXPECT_EQ(set.mute, true);
  EXPECT_EQ(set.tempo_bpm, 0) << "0 gives the pulse back to the model";
  EXPECT_FALSE(set.mode || set.seed || set.beat_sample || set.temperature || set.density || set.loudness || set.style);
  const auto band = parse_client(R"({"type":"set","style":"band"})");
  EXPECT_EQ(std::get<Set>(std::get<ClientMessage>(band)).style, "band");
  const auto soft = parse_client(R"({"type":"set","loudness":-0.5})");
  EXPECT_EQ(std::get<Set>(std::get<ClientMessage>(soft)).loudness, -0.5);
  EXPECT_EQ(fault_of(R"({"type":"set","loudness":2})").code, "bad_value");
}

TEST(Message, KeyAndChartAreTakenBackByNull) {
  const auto set_of = [](std::string_view text) { return std::get<Set>(std::get<ClientMessage>(parse_client(text))); };
  EXPECT_FALSE(set_of(R"({"type":"set"})").key || set_of(R"({"type":"set"})").chart);
  const Set given = set_of(R"({"type":"set","key":"F#m","chart":"| C |\n"})");
  EXPECT_EQ(given.key, "F#m");
  EXPECT_EQ(given.chart, "| C |\n");
  const Set back = set_of(R"({"type":"set","key":null,"chart":null})");
  EXPECT_EQ(back.key, "");
  EXPECT_EQ(back.chart, "");
  EXPECT_EQ(set_of(json{{"type", "set"}, {"chart", std::string(kMaxChartBytes, ' ')}}.dump()).chart->size(),
            kMaxChartBytes);
  EXPECT_EQ(fault_of(json{{"type", "set"}, {"chart", std::string(kMaxChartBytes + 1, ' ')}}.dump()).code, "bad_value");
  EXPECT_EQ(fault_of(R"({"type":"set","key":5})").message,
            "\"key\" must be a text of at most 16 bytes, or null, found 5");
}

TEST(Message, FaultsSayWhatWasExpected) {
  EXPECT_EQ(fault_of("{").code, "bad_message");
  EXPECT_EQ(fault_of("[]").code, "bad_message");
  EXPECT_EQ(fault_of("\xff\xfe").code, "bad_message");
  EXPECT_EQ(fault_of(R"({"type":3})").code, "bad_message");
  EXPECT_EQ(fault_of(R"({"type":"dance"})").code, "unknown_type");
  EXPECT_EQ(fault_of(R"({"type":"set","mode":"sideways"})").message,
            R"("mode" must be "delayed" or "live", found "sideways")");
  EXPECT_EQ(fault_of(R"({"type":"set","style":"tuba"})").message,
            R"("style" must be "piano", "band", "strings", found "tuba")");
  EXPECT_EQ(fault_of(R"({"type":"set","style":3})").code, "bad_value");
  EXPECT_EQ(fault_of(R"({"type":"set","tempo_bpm":1e9})").code, "bad_value");
  EXPECT_EQ(fault_of(R"({"type":"set","beat_sample":18446744073709551615})").code, "bad_value");
  EXPECT_EQ(fault_of(R"({"type":"set","seed":1.5})").code, "bad_value");
  EXPECT_EQ(fault_of(R"({"type":"start","codec":"mp3"})").code, "bad_value");
  EXPECT_EQ(fault_of(R"({"type":"start","sample_rate":"fast"})").code, "bad_value");
}

TEST(Message, DeepNestingIsNoMatter) { EXPECT_EQ(fault_of(std::string(60000, '[')).code, "bad_message"); }

// PROTOCOL.md names every field that the server sends, and no others: the reference stays true.
TEST(Message, ProtocolReferenceNamesEveryField) {
  std::ifstream file(FASTSAG_SOURCE "/protocol/PROTOCOL.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string reference = text.str();
  const std::vector<std::string> messages = {to_json(Hello{}), to_json(Status{}), to_json(Fault{}), pong(1),
                                             to_json(PlanMessage{.chords = {{}}, .notes = {{}}})};
  for (const std::string& message : messages) {
    const json object = json::parse(message);
    const std::string type = object["type"];
    const auto row = reference.find("| `" + type + "` |");
    ASSERT_NE(row, std::string::npos) << type << " has no row in PROTOCOL.md";
    const std::string line = reference.substr(row, reference.find('\n', row) - row);
    std::set<std::string> documented, sent;
    for (size_t i = line.find('`'); i != std::string::npos; i = line.find('`', i + 1)) {
      const size_t end = line.find('`', i + 1);
      documented.insert(line.substr(i + 1, end - i - 1));
      i = end;
    }
    const auto collect = [&sent](const auto& self, const json& value) -> void {
      for (const auto& [key, inner] : value.items()) {
        sent.insert(key);
        if (inner.is_array() && !inner.empty()) self(self, inner[0]);
      }
    };
    collect(collect, object);
    documented.erase(type);
    sent.erase("type");
    EXPECT_EQ(documented, sent) << "fields of " << type;
  }
}

}  // namespace
}  // namespace fastsag::protocol
