// fastsagd with its real model and a singer somewhere on the network: a program that sends 20 ms of voice every 20 ms
// and notes when each frame of accompaniment comes back.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "dsp/resampler.h"
#include "protocol/frame.h"
#include "tests/integration/program.h"
#include "tests/integration/soak.h"
#include "tests/support/audio.h"
#include "tests/support/scratch.h"
#include "tests/support/shared.h"
#include "tests/support/sung.h"
#include "tests/support/ws_client.h"

namespace fastsag {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using test::soak_s;
using Clock = std::chrono::steady_clock;

constexpr int kRate = 48000;
constexpr int64_t kBlock = 960;
constexpr double kSettled_s = 5;  // from here on everything counts

// Another recording for each number.
std::vector<float> song(int number) {
  const auto recording = test::shared("data/singing/vocadito_" +
                                      std::to_string(std::array{1, 10, 14}[static_cast<size_t>(number % 3)]) + ".flac");
  if (std::filesystem::exists(recording)) {
    const auto audio = test::read_audio(recording);
    return dsp::resample(audio.mono, audio.sample_rate, kRate);
  }
  const std::vector<test::SungNote> scale = {{0, .9, 60}, {1, .9, 62}, {2, .9, 64}, {3, .9, 65}, {4, 1.9, 67}};
  return dsp::resample(test::sung(scale, 6), 24000, kRate);
}

struct Heard {
  int64_t frames = 0, breaks = 0;  // breaks: positions or sequence numbers that do not follow each other
  double power = 0;
  std::vector<double> late_s;  // arrival less the moment at which the frame's last voice sample was sung
};

// The singer: `begin` is the moment of song position 0.
class Singer {
 public:
  Singer(const std::string& url, const std::string& mode, int number = 0) : client_(url), song_(song(number)) {
    client_.wait_type("hello");
    client_.send_text(json{{"type", "start"}, {"codec", "pcm_s16"}, {"sample_rate", kRate}, {"mode", mode}}.dump());
  }

  void sing(double seconds) {
    const auto begin = Clock::now();
    const auto moment = [&](int64_t position) {
      return begin + std::chrono::nanoseconds(position * 1'000'000'000 / kRate);
    };
    std::vector<float> block(kBlock);
    for (int64_t position = 0; position < std::llround(seconds * kRate); position += kBlock) {
      for (int64_t i = 0; i < kBlock; ++i)
        block[static_cast<size_t>(i)] = song_[static_cast<size_t>(position + i) % song_.size()];
      std::this_thread::sleep_until(moment(position + kBlock));  // a microphone gives a block when it is full
      const auto bytes = protocol::encode_pcm({.kind = protocol::Kind::voice,
                                               .sample_rate = kRate,
                                               .first_sample = position,
                                               .sequence = static_cast<uint32_t>(position / kBlock)},
                                              block);
      client_.send_binary({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      for (const auto& message : client_.take()) take(message, moment);
    }
  }
  const Heard& heard() const { return heard_; }
  const json& status() const { return status_; }

 private:
  template <class Moment>
  void take(const test::WsClient::Message& message, const Moment& moment) {
    if (!message.binary) {
      if (auto text = json::parse(message.data); text["type"] == "status") status_ = text;
      return;
    }
    const auto frame = std::get<protocol::Frame>(protocol::decode(std::as_bytes(std::span(message.data))));
    const int64_t end = frame.header.first_sample + frame.header.samples;
    if (heard_.frames > 0)
      heard_.breaks += frame.header.first_sample != next_ || frame.header.sequence != sequence_ + 1;
    next_ = end;
    sequence_ = frame.header.sequence;
    ++heard_.frames;
    std::vector<float> samples;
    protocol::decode_pcm(frame, samples);
    for (const float x : samples) heard_.power += x * x / static_cast<double>(samples.size());
    if (frame.header.first_sample > std::llround(kSettled_s * kRate))
      heard_.late_s.push_back(std::chrono::duration<double>(message.when - moment(end)).count());
  }

  test::WsClient client_;
  std::vector<float> song_;
  Heard heard_;
  json status_;
  int64_t next_ = 0;
  uint32_t sequence_ = 0;
};

double percentile(std::vector<double> values, double share) {
  std::ranges::sort(values);
  return values.empty() ? 1e9 : values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
}

const std::filesystem::path kProgram = std::filesystem::path(FASTSAG_BIN) / "fastsagd";

// Where its WebSockets are; empty where it does not say.
std::string address_of(test::Program& fastsagd) {
  std::smatch address;
  fastsagd.wait_said("http://", 60s);
  const std::string said = fastsagd.said();
  return std::regex_search(said, address, std::regex("http://([0-9.]+:[0-9]+)")) ? "ws://" + address[1].str() + "/ws"
                                                                                 : "";
}

void sing(const std::string& mode, const std::string& preset = "lite") {
  test::Scratch scratch;
  if (!std::filesystem::exists(kProgram)) GTEST_SKIP() << "fastsagd is not built";
  test::Program fastsagd(kProgram, {"--set", "server.port=0", "--preset", preset}, scratch / "log");
  const std::string address = address_of(fastsagd);
  ASSERT_FALSE(address.empty()) << fastsagd.said();
  Singer singer(address + "?room=soak", mode);
  singer.sing(soak_s() + kSettled_s);
  fastsagd.signal(SIGTERM);
  EXPECT_EQ(fastsagd.wait(10s), 0) << fastsagd.said();

  const Heard& heard = singer.heard();
  const json& status = singer.status();
  const double median = percentile(heard.late_s, .5), p99 = percentile(heard.late_s, .99);
  const double rms_db = 10 * std::log10(heard.power / static_cast<double>(std::max<int64_t>(1, heard.frames)) + 1e-12);
  std::printf(
      "%s, %s: %.0f s, %lld frames, %lld breaks, arrival after the voice: median %.3f s, p99 %.3f s, worst %.3f s; "
      "%.1f "
      "dBFS; "
      "windows %lld, stale %lld, gaps %lld, dropped %lld, lost frames %lld, hop p95 %.0f ms\n",
      preset.c_str(), mode.c_str(), soak_s(), static_cast<long long>(heard.frames),
      static_cast<long long>(heard.breaks), median, p99, percentile(heard.late_s, 1), rms_db,
      status["windows"].get<long long>(), status["stale"].get<long long>(), status["gaps"].get<long long>(),
      status["dropped"].get<long long>(), status["lost_frames"].get<long long>(),
      status["generate_p95_ms"].get<double>());
  EXPECT_GT(static_cast<double>(heard.late_s.size()), (soak_s() - 3.5) * kRate / kBlock) << "frames are missing";
  EXPECT_EQ(heard.breaks, 0);
  EXPECT_EQ(status["gaps"], 0);
  EXPECT_EQ(status["lost_frames"], 0);
  EXPECT_GE(status["windows"].get<double>(), soak_s() - 2) << "a window a second";
  // Of the paper's form, which takes most of a hop on a slow machine, one window of a short song may be late.
  const double share = preset == "lite" ? .01 : .1;
  EXPECT_LT(status["stale"].get<double>(), std::max(1.0, share * status["windows"].get<double>()));
  EXPECT_GT(rms_db, -50) << "an accompaniment is heard";
  if (mode == "live") {
    EXPECT_LT(p99, 0) << "it is there before its moment";
  } else {
    // What is written, a hop and the voice around it, and then how long that takes on this machine: the shipped preset
    // has to be there in 2.5 s, the paper's form when it can.
    const double made_s = preset == "lite" ? .3 : status["generate_p95_ms"].get<double>() / 1000;
    EXPECT_LE(median, 2.2 + made_s) << "voice to ear";
  }
  EXPECT_LE(status["lead_ms"].get<double>(), 1500);
}

TEST(WebSocket, PlaysDelayedInTime) { sing("delayed"); }
TEST(WebSocket, PlaysLiveBeforeItsMoment) { sing("live"); }
// A venue: each booth has its own voice and began when it liked. How steadily frames arrive tells whether the network
// waits for the model.
TEST(WebSocket, RoomsShareTheModel) {
  if (!std::filesystem::exists(kProgram)) GTEST_SKIP() << "fastsagd is not built";
  const int rooms = test::soak_rooms();
  const char* threads = std::getenv("FASTSAG_SOAK_THREADS");
  std::vector<std::string> arguments = {"--set", "server.port=0", "--set", "engine.max_rooms=" + std::to_string(rooms)};
  if (threads) arguments.insert(arguments.end(), {"--set", "model.threads=" + std::string(threads)});
  test::Scratch scratch;
  test::Program fastsagd(kProgram, arguments, scratch / "log");
  const std::string address = address_of(fastsagd);
  ASSERT_FALSE(address.empty()) << fastsagd.said();
  std::vector<std::unique_ptr<Singer>> singers;
  for (int i = 0; i < rooms; ++i)
    singers.push_back(std::make_unique<Singer>(address + "?room=booth-" + std::to_string(i), "delayed", i));
  {
    std::vector<std::jthread> throats;
    for (int i = 0; i < rooms; ++i)
      throats.emplace_back([&, i] {
        std::this_thread::sleep_for(1s * i / rooms);  // windows are due at different moments
        singers[static_cast<size_t>(i)]->sing(soak_s() + kSettled_s);
      });
  }
  fastsagd.signal(SIGTERM);
  EXPECT_EQ(fastsagd.wait(10s), 0) << fastsagd.said();
  double windows = 0, stale = 0;
  for (int i = 0; i < rooms; ++i) {
    const Heard& heard = singers[static_cast<size_t>(i)]->heard();
    const json& status = singers[static_cast<size_t>(i)]->status();
    const double median = percentile(heard.late_s, .5);
    std::printf(
        "room %d of %d, %.0f s: windows %lld, stale %lld, gaps %lld, dropped %lld, lost frames %lld; batch p95 %.0f "
        "ms; "
        "arrival after the voice: median %.3f s, from there p99 %+.1f ms, worst %+.1f ms\n",
        i, rooms, soak_s(), status["windows"].get<long long>(), status["stale"].get<long long>(),
        status["gaps"].get<long long>(), status["dropped"].get<long long>(), status["lost_frames"].get<long long>(),
        status["generate_p95_ms"].get<double>(), median, 1000 * (percentile(heard.late_s, .99) - median),
        1000 * (percentile(heard.late_s, 1) - median));
    EXPECT_EQ(heard.breaks, 0) << i;
    EXPECT_EQ(status["gaps"], 0) << i;
    EXPECT_GE(status["windows"].get<double>(), soak_s() - 2) << i << ": a window a second";
    windows += status["windows"].get<double>();
    stale += status["stale"].get<double>();
  }
  EXPECT_LT(stale, std::max(1.0, .01 * windows));
}

// The paper's form, live: what was played is imposed while it samples.
TEST(WebSocket, ThePapersFormPlaysDelayed) { sing("delayed", "small"); }
TEST(WebSocket, ThePapersFormPlaysLive) { sing("live", "small"); }

}  // namespace
}  // namespace fastsag
