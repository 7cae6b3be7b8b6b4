// fastsagd itself, with its real model, on a stage made of JACK clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <regex>

#include "dsp/resampler.h"
#include "tests/integration/jack_stage.h"
#include "tests/integration/program.h"
#include "tests/integration/soak.h"
#include "tests/support/audio.h"
#include "tests/support/scratch.h"
#include "tests/support/shared.h"

namespace fastsag {
namespace {

using namespace std::chrono_literals;
using test::JackServer;
using test::JackSinger;
using test::soak_s;

constexpr int kRate = JackServer::kRate;

std::vector<float> song() {
  const auto recording = test::shared("data/singing/vocadito_1.flac");
  if (!std::filesystem::exists(recording)) return test::sung_tone(kRate);
  const auto audio = test::read_audio(recording);
  return dsp::resample(audio.mono, audio.sample_rate, kRate);
}

struct Stage {
  std::filesystem::path program = std::filesystem::path(FASTSAG_BIN) / "fastsagd";
  std::filesystem::path weights = std::filesystem::path(FASTSAG_SOURCE) / "configs/presets/lite.safetensors";
  test::Scratch scratch;
  test::JackServer server;

  std::string problem() const {
    if (!std::filesystem::exists(program)) return "fastsagd is not built";
    if (!std::filesystem::exists(weights)) return "the lite preset has no weights yet: " + weights.string();
    return server.problem();
  }
  std::filesystem::path config(const std::string& mode) const {
    const auto file = scratch / "stage.toml";
    std::ofstream(file)
        << "[server]\nport = 0\n[audio]\ninput = \"singer\"\noutput = \"singer\"\n[midi]\noutput = \"singer:notes\"\n"
        << "[engine]\nmode = \"" << mode << "\"\n";
    return file;
  }
};

// The numbers of fastsagd's last line about the stage.
struct Figures {
  double blocks = 0, xruns = 0, longest_ms = 0, windows = 0, dropped = 0, gaps = 0, stale = 0, played = 0;
};
Figures figures(const std::string& said) {
  const std::regex line(
      "the stage ends: (\\d+) blocks, (\\d+) xruns, longest block ([0-9.]+) ms; (\\d+) windows, (\\d+) dropped, "
      "(\\d+) gaps, (\\d+) of (\\d+) samples stale");
  std::smatch found;
  if (!std::regex_search(said, found, line)) return {};
  const auto number = [&](size_t i) { return std::atof(found[i].str().c_str()); };
  return {number(1), number(2), number(3), number(4), number(5), number(6), number(7), number(8)};
}

void sing(const std::string& mode) {
  Stage stage;
  if (const auto problem = stage.problem(); !problem.empty()) GTEST_SKIP() << problem;
  JackSinger singer(song(), soak_s() + 120);
  test::Program fastsagd(stage.program, {"--config", stage.config(mode).string()}, stage.scratch / "log");
  ASSERT_TRUE(fastsagd.wait_said("the stage sings in", 60s)) << fastsagd.said();
  const int64_t begin = singer.frames(), end = begin + static_cast<int64_t>((soak_s() + 5) * kRate);
  ASSERT_TRUE(singer.wait_until(end, std::chrono::seconds(static_cast<int>(soak_s()) + 60))) << fastsagd.said();
  const int xruns = singer.xruns();
  fastsagd.signal(SIGTERM);
  const auto exit_code = fastsagd.wait(10s);
  ASSERT_TRUE(exit_code) << "still runs 10 s after SIGTERM";
  EXPECT_EQ(*exit_code, 0) << fastsagd.said();

  const Figures ours = figures(fastsagd.said());
  std::printf(
      "%s: %.0f blocks, %.0f xruns (the server's: %d), longest block %.3f ms, %.0f windows, %.0f dropped, %.0f gaps, "
      "%.2f %% stale\n",
      mode.c_str(), ours.blocks, ours.xruns, xruns, ours.longest_ms, ours.windows, ours.dropped, ours.gaps,
      100 * ours.stale / std::max(1.0, ours.played));
  EXPECT_GE(ours.windows, soak_s() - 2) << "a window a second\n" << fastsagd.said();
  EXPECT_EQ(ours.gaps, 0);
  EXPECT_LT(ours.stale, 0.01 * ours.played);
  EXPECT_LE(ours.xruns, xruns);
  EXPECT_LT(ours.longest_ms, 0.5 * 1000 * JackServer::kBlock / kRate) << "of our own work in a callback";

  const auto& heard = singer.heard();
  double power = 0;
  float peak = 0;
  for (int64_t i = begin + 5 * kRate; i < end; ++i) {
    power += std::pow(heard[static_cast<size_t>(i)], 2);
    peak = std::max(peak, std::abs(heard[static_cast<size_t>(i)]));
  }
  const double rms_db = 10 * std::log10(power / static_cast<double>(end - begin - 5 * kRate) + 1e-12);
  std::printf("heard: %.1f dBFS RMS, peak %.2f; %zu MIDI events\n", rms_db, static_cast<double>(peak),
              singer.midi().size());
  EXPECT_GT(rms_db, -50) << "an accompaniment is heard";
  EXPECT_LE(peak, 0.8913f) << "and never above -1 dBFS";
  EXPECT_GT(singer.midi().size(), 4u) << "its notes go out";
  std::array<int, 16 * 128> down{};
  for (const auto& [frame, bytes] : singer.midi()) {
    const size_t key = static_cast<size_t>(bytes[0] & 0x0f) * 128 + bytes[1];
    if ((bytes[0] & 0xf0) == 0x90) ++down[key];
    if ((bytes[0] & 0xf0) == 0x80) --down[key];
  }
  EXPECT_TRUE(std::ranges::all_of(down, [](int held) { return held == 0; })) << "a key hangs";
}

TEST(JackFastsagd, PlaysDelayedAndEndsInOrder) { sing("delayed"); }
TEST(JackFastsagd, PlaysLiveAndEndsInOrder) { sing("live"); }

TEST(JackFastsagd, AnUnknownDeviceIsSaidInOneLine) {
  Stage stage;
  if (const auto problem = stage.problem(); !problem.empty()) GTEST_SKIP() << problem;
  test::Program fastsagd(stage.program, {"--set", "server.port=0", "--set", "audio.input=nobody"},
                         stage.scratch / "log");
  const auto exit_code = fastsagd.wait(60s);
  ASSERT_TRUE(exit_code);
  EXPECT_EQ(*exit_code, 1);
  EXPECT_THAT(fastsagd.said(), testing::HasSubstr("[audio] input = \"nobody\": no such device; there are \"system\""));
}

}  // namespace
}  // namespace fastsag
