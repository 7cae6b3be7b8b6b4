#include "daemon/ws_server.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "daemon/ws_session.h"
#include "protocol/frame.h"
#include "protocol/message.h"
#include "tests/support/fake_accompanist.h"
#include "tests/support/ws_client.h"

namespace fastsag::daemon::ws_server_test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::WsClient;

constexpr int kRate = 48000;
constexpr int kLongestDelayS = 5;  // voice that comes a second at a time makes the delay grow, to no more than this

// The real server and engine on the system clock, with a model that answers at once.
class WsServerTest : public testing::Test {
 protected:
  void start(Config config = {}) {
    config.server.port = 0;
    config.server.web = FASTSAG_SOURCE "/web";
    engine_.prepare();
    server_ = std::make_unique<WsServer>(engine_, config);
    server_->start();
    thread_ = std::jthread([this](std::stop_token stop) { engine_.run(stop); });
  }
  void TearDown() override {
    if (server_) server_->stop();
  }
  std::string url(const std::string& query = "") const {
    return "ws://127.0.0.1:" + std::to_string(server_->port()) + "/ws" + query;
  }
  static std::string voice(int64_t first_sample, int samples = 960, uint32_t rate = kRate) {
    std::vector<float> tone(static_cast<size_t>(samples));
    for (size_t i = 0; i < tone.size(); ++i)
      tone[i] =
          .2f * std::sin(2 * 3.14159265f * 220 * static_cast<float>((first_sample + static_cast<int64_t>(i)) % rate) /
                         static_cast<float>(rate));
    const auto bytes =
        protocol::encode_pcm({.kind = protocol::Kind::voice, .sample_rate = rate, .first_sample = first_sample}, tone);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  // As fast as the server takes it, in pieces that its ring holds.
  static void sing(WsClient& client, double from_s, double to_s) {
    for (int64_t p = std::llround(from_s * kRate); p < std::llround(to_s * kRate); p += 960) {
      client.send_binary(voice(p));
      if (p % kRate == 0) std::this_thread::yield();
    }
  }
  static protocol::FrameHeader header(const WsClient::Message& message) {
    return std::get<protocol::Frame>(protocol::decode(std::as_bytes(std::span(message.data)))).header;
  }

  SystemClock clock_;
  test::FakeAccompanist model_;
  Engine engine_{model_, clock_};
  std::unique_ptr<WsServer> server_;
  std::jthread thread_;
};

TEST_F(WsServerTest, GreetsAndAnswersPings) {
  start();
  WsClient client(url("?room=stage&role=singer"));
  const json hello = json::parse(client.wait_type("hello"));
  EXPECT_EQ(hello["room"], "stage");
  EXPECT_EQ(hello["protocol"], "fastsag.v1");
  EXPECT_EQ(hello["sample_rate"], kRate);
  client.send_text(R"({"type":"ping","id":42})");
  EXPECT_EQ(json::parse(client.wait_type("pong"))["id"], 42);
}

TEST_F(WsServerTest, OffersTheStylesThatTheModelPlays) {
  static_assert(protocol::kStyles == model::kEnsembles);
  Config config;
  config.model.style = model::Ensemble::band;
  start(config);
  WsClient client(url());
  const json hello = json::parse(client.wait_type("hello"));
  EXPECT_EQ(hello["styles"], json({"piano", "band"}));
  EXPECT_EQ(hello["style"], "band");
  client.send_text(R"({"type":"set","style":"strings"})");
  EXPECT_EQ(json::parse(client.wait_type("error"))["message"],
            "this preset cannot play style \"strings\"; hello.styles names what it can");
}

TEST_F(WsServerTest, VoiceComesBackAsAccompanimentInUnbrokenFrames) {
  start();
  WsClient client(url());
  client.wait_type("hello");
  client.send_text(R"({"type":"start","codec":"pcm_s16","sample_rate":48000,"mode":"delayed"})");
  int64_t next = 0, frames = 0;
  for (int second = 0; second < 9; ++second) {
    sing(client, second, second + 1);
    for (; frames < (second - kLongestDelayS) * 50; ++frames) {
      const auto message = client.wait([](const auto& m) { return m.binary; }, 10s);
      ASSERT_FALSE(message.data.empty()) << "only " << frames << " frames came back for " << second + 1
                                         << " s of voice";
      const auto frame = header(message);
      EXPECT_EQ(frame.kind, protocol::Kind::accompaniment);
      EXPECT_EQ(frame.samples, 960u) << "20 ms";
      EXPECT_EQ(frame.sequence, static_cast<uint32_t>(frames));
      if (frames > 0) {
        EXPECT_EQ(frame.first_sample, next) << "a hole in the accompaniment";
      }
      next = frame.first_sample + frame.samples;
    }
  }
  EXPECT_EQ(frames, (8 - kLongestDelayS) * 50);
}

TEST_F(WsServerTest, ListenersHearTheSameBytes) {
  start();
  WsClient singer(url("?room=a")), listener(url("?room=a&role=listener")), elsewhere(url("?room=b&role=listener"));
  for (WsClient* client : {&singer, &listener, &elsewhere}) client->wait_type("hello");
  singer.send_text(R"({"type":"start","sample_rate":48000})");
  sing(singer, 0, kLongestDelayS + 1);
  for (int i = 0; i < 50; ++i) {
    const auto a = singer.wait([](const auto& m) { return m.binary; }, 10s);
    const auto b = listener.wait([](const auto& m) { return m.binary; }, 10s);
    ASSERT_FALSE(a.data.empty());
    EXPECT_EQ(a.data, b.data);
  }
  for (const auto& message : elsewhere.take()) EXPECT_FALSE(message.binary) << "sound of another room";
}

TEST_F(WsServerTest, BadInputGetsOneClearAnswerAndTheRoomGoesOn) {
  start();
  WsClient client(url());
  client.wait_type("hello");
  const auto answer_to = [&](const std::string& text) {
    client.send_text(text);
    return json::parse(client.wait_type("error"))["code"].get<std::string>();
  };
  EXPECT_EQ(answer_to("{"), "bad_message");
  EXPECT_EQ(answer_to(R"({"type":"dance"})"), "unknown_type");
  EXPECT_EQ(answer_to(R"({"type":"set","mode":"sideways"})"), "bad_value");
  client.send_text(R"({"type":"start","sample_rate":48000})");
  for (int i = 0; i < 20; ++i) client.send_binary("short");
  EXPECT_EQ(json::parse(client.wait_type("error"))["code"], "bad_frame");
  client.send_binary(voice(int64_t{1} << 49));
  client.send_binary(voice(0, 441, 44100));
  sing(client, 0, 6);
  EXPECT_FALSE(client.wait([](const auto& m) { return m.binary; }, 10s).data.empty());
  int errors = 0;
  for (const auto& message : client.take()) errors += message.data.find("bad_frame") != std::string::npos;
  EXPECT_LE(errors, 5) << "a flood of bad frames is answered once a second";
}

TEST_F(WsServerTest, KeyAndChartReachTheModelAndStayWhenTheSingerComesBack) {
  start();
  auto client = std::make_unique<WsClient>(url());
  client->wait_type("hello");
  const auto refused = [&](const json& fields) {
    json message = fields;
    message["type"] = "set";
    client->send_text(message.dump());
    const json error = json::parse(client->wait_type("error"));
    EXPECT_EQ(error["code"], "bad_value");
    return error["message"].get<std::string>();
  };
  EXPECT_EQ(refused({{"key", "H"}}).substr(0, 27), "\"key\" must be A to G with #");
  EXPECT_EQ(refused({{"chart", "[C]no bars"}}).substr(0, 41), "chart:1:1: chords over words, but no bars");
  EXPECT_EQ(refused({{"key", "Am"}, {"chart", "| C | X |"}}).substr(0, 26), "chart:1:7: \"X\" is no chord");
  client->send_text(json{{"type", "set"}, {"key", "Bbm"}, {"chart", "| Bbm | Gb |"}}.dump());
  client.reset();
  client = std::make_unique<WsClient>(url());
  client->wait_type("hello");
  client->send_text(R"({"type":"start","sample_rate":48000})");
  sing(*client, 0, 4);
  client->wait_type("plan");
  const auto controls = model_.seen().back().controls;
  ASSERT_TRUE(controls.key && controls.chart);
  EXPECT_EQ(model::chord_name(*controls.key), "Bbm");
  EXPECT_EQ(model::chord_name(controls.chart->at(4)), "F#");
  client->send_text(R"({"type":"set","key":null,"chart":null})");
  sing(*client, 4, 8);
  for (int i = 0; i < 8 && model_.seen().back().controls.chart; ++i) client->wait_type("plan");
  EXPECT_FALSE(model_.seen().back().controls.key || model_.seen().back().controls.chart);
}

TEST_F(WsServerTest, APresetWithoutAPlanSaysThatItCannotBeSteered) {
  model_.plan_less(true);
  start();
  WsClient client(url());
  client.wait_type("hello");
  client.send_text(R"({"type":"set","density":0.5,"loudness":-0.5})");
  const json error = json::parse(client.wait_type("error"));
  EXPECT_EQ(error["code"], "bad_value");
  EXPECT_NE(error["message"].get<std::string>().find("plays without a plan of chords and notes"), std::string::npos);
}

TEST_F(WsServerTest, ARoomHasOneSinger) {
  start();
  WsClient first(url("?room=x"));
  first.wait_type("hello");
  WsClient second(url("?room=x"));
  const json error = json::parse(second.wait_type("error"));
  EXPECT_EQ(error["code"], "room_taken");
  EXPECT_TRUE(error["fatal"]);
  EXPECT_TRUE(second.wait_closed(5s));
  EXPECT_FALSE(first.closed());
}

TEST_F(WsServerTest, TheStageHasItsSingerAtTheSoundCard) {
  start();
  const auto stage = engine_.open_room("stage");
  WsClient singer(url("?room=stage"));
  EXPECT_EQ(json::parse(singer.wait_type("error"))["code"], "room_taken");
  WsClient listener(url("?room=stage&role=listener"));
  EXPECT_FALSE(listener.wait_type("hello").empty());
}

TEST_F(WsServerTest, ASingerWhoComesBackGoesOn) {
  start();
  {
    WsClient client(url("?room=x"));
    client.wait_type("hello");
    client.send_text(R"({"type":"start","sample_rate":48000})");
    sing(client, 0, 5);
    EXPECT_FALSE(client.wait([](const auto& m) { return m.binary; }, 10s).data.empty());
    client.vanish();
  }
  // The room is taken until the server has seen that the first one went.
  auto again = std::make_unique<WsClient>(url("?room=x"));
  for (int tries = 0; again->wait_type("hello", 1s).empty(); ++tries) {
    ASSERT_LT(tries, 50) << "no hello";
    again = std::make_unique<WsClient>(url("?room=x"));
  }
  sing(*again, 6, 11);  // one second was lost on the way
  const auto message = again->wait([](const auto& m) { return m.binary && header(m).first_sample > 5 * kRate; }, 10s);
  ASSERT_FALSE(message.data.empty()) << "the timeline did not go on past the lost second";
}

TEST_F(WsServerTest, TokensAndOriginsAreChecked) {
  Config config;
  config.server.token = "secret";
  config.server.origins = {"https://stage.example"};
  start(config);
  WsClient stranger(url());
  EXPECT_EQ(json::parse(stranger.wait_type("error"))["code"], "unauthorised");
  WsClient wrong(url(), {.subprotocols = {"fastsag.v1", "token.wrong!"}});
  EXPECT_EQ(json::parse(wrong.wait_type("error"))["code"], "unauthorised");
  WsClient browser(url("?room=a"), {.subprotocols = {"fastsag.v1", "token.secret"}});
  EXPECT_FALSE(browser.wait_type("hello").empty());
  WsClient program(url("?room=b"), {.headers = {{"Authorization", "Bearer secret"}}});
  EXPECT_FALSE(program.wait_type("hello").empty());
  WsClient foreign(url(), {.headers = {{"Origin", "https://evil.example"}}});
  EXPECT_TRUE(foreign.wait_closed(5s));
  EXPECT_EQ(foreign.http_status(), 403);
  WsClient allowed(url("?room=c"),
                   {.subprotocols = {"fastsag.v1", "token.secret"}, .headers = {{"Origin", "https://stage.example"}}});
  EXPECT_FALSE(allowed.wait_type("hello").empty());
}

TEST_F(WsServerTest, ServesThePageIsolatedAndNothingElse) {
  start();
  const auto page = test::http_get(server_->port(), "/");
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.body.find("<title>fastsag"), std::string::npos);
  EXPECT_NE(page.headers.find("Cross-Origin-Opener-Policy: same-origin"), std::string::npos);
  EXPECT_NE(page.headers.find("Cross-Origin-Embedder-Policy: require-corp"), std::string::npos);
  EXPECT_EQ(test::http_get(server_->port(), "/worklet.js").status, 200);
  int health = 0;  // 503 until the engine has taken its first look at the rooms
  for (int tries = 0; tries < 1000 && health != 200; ++tries)
    health = test::http_get(server_->port(), "/healthz").status;
  EXPECT_EQ(health, 200);
  for (const char* path : {"/../README.md", "/..%2fREADME.md", "//etc/passwd", "/nothing", "/ws"})
    EXPECT_EQ(test::http_get(server_->port(), path).status, 404) << path;
}

TEST_F(WsServerTest, SaysWhoPlaysWhereAndWhatFailed) {
  model_.be("lite", 1);
  model_.tell({.graphs = {{1, 1000}, {8, 2000}},
               .replayed = 40,
               .eager = 3,
               .why_eager = "said \"no\"\n",
               .fallback = "the device is lost",
               .fallbacks = 2,
               .returns = 1});
  start();
  WsClient client(url());
  EXPECT_EQ(json::parse(client.wait_type("hello"))["preset"], "lite");
  const json status = json::parse(client.wait_type("status"));
  EXPECT_EQ(status["preset"], "lite");
  EXPECT_EQ(status["device"], "cpu");
  EXPECT_EQ(status["eager"], 3);
  EXPECT_EQ(status["fallbacks"], 2);
  EXPECT_EQ(status["notice"], "preset lite plays on the CPU: the device is lost");
  const auto health = test::http_get(server_->port(), "/healthz");
  EXPECT_EQ(health.status, 200) << "it plays";
  EXPECT_EQ(health.body, "ok\npreset lite plays on the CPU: the device is lost\n");
  const auto metrics = test::http_get(server_->port(), "/metrics");
  EXPECT_EQ(metrics.status, 200);
  EXPECT_NE(metrics.headers.find("text/plain; version=0.0.4"), std::string::npos);
  for (const char* line :
       {"fastsag_healthy 1", "fastsag_rooms 1", "fastsag_playing{preset=\"lite\",device=\"cpu\"} 1",
        "fastsag_fallbacks_total 2", "fastsag_returns_total 1", "fastsag_batches_total{how=\"replayed\"} 40",
        "fastsag_batches_total{how=\"eager\"} 3", "fastsag_graph_bytes{rooms=\"8\"} 2000",
        "fastsag_eager{why=\"said \\\"no\\\"\\n\"} 1", "fastsag_fallback{why=\"the device is lost\"} 1"})
    EXPECT_NE(metrics.body.find(std::string(line) + "\n"), std::string::npos) << line << " in\n" << metrics.body;
}

TEST_F(WsServerTest, FiguresAreForWhoHasTheToken) {
  Config config;
  config.server.token = "secret";
  start(config);
  EXPECT_EQ(test::http_get(server_->port(), "/metrics").status, 401);
}

TEST_F(WsServerTest, AClientThatStopsReadingLosesItsOwnFramesOnly) {
  start();
  WsClient singer(url("?room=a")), sleeper(url("?room=a&role=listener"));
  singer.wait_type("hello");
  sleeper.wait_type("hello");
  sleeper.pause_reading(true);
  singer.send_text(R"({"type":"start","sample_rate":48000})");
  int64_t frames = 0;
  for (int second = 0; second < 60; ++second) {
    sing(singer, second, second + 1);
    while (frames < (second - kLongestDelayS) * 50) {
      ASSERT_FALSE(singer.wait([](const auto& m) { return m.binary; }, 10s).data.empty())
          << "the singer waits for the sleeper, second " << second;
      ++frames;
    }
  }
  sleeper.pause_reading(false);
  EXPECT_FALSE(sleeper.wait([](const auto& m) { return m.binary; }, 10s).data.empty())
      << (sleeper.closed() ? "it was cut off" : "nothing came");
}

TEST_F(WsServerTest, APortInUseIsSaidPlainly) {
  start();
  Config config;
  config.server.port = server_->port();
  config.server.web = FASTSAG_SOURCE "/web";
  WsServer second(engine_, config);
  try {
    second.start();
    FAIL() << "two servers on one port";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("port " + std::to_string(config.server.port)), std::string::npos);
  }
}

TEST(WsAddress, NamesAreNamesAndRolesAreRoles) {
  EXPECT_EQ(parse_address("")->room, "main");
  EXPECT_EQ(parse_address("room=booth-7&role=listener")->room, "booth-7");
  EXPECT_EQ(parse_address("role=listener&x=y&room=a")->role, Role::listener);
  EXPECT_FALSE(parse_address("room="));
  EXPECT_FALSE(parse_address("room=a/../b"));
  EXPECT_FALSE(parse_address("room=" + std::string(65, 'a')));
  EXPECT_FALSE(parse_address("role=boss"));
}

}  // namespace
}  // namespace fastsag::daemon::ws_server_test
