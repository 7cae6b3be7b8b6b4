#include "daemon/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "dsp/error.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"

namespace fastsag::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string errors_of(std::string_view text, std::vector<std::string> overrides = {}) {
  return test::error_of([&] { parse_config(text, "stage.toml", overrides); });
}

TEST(Config, DefaultsServeBrowsersOnLoopback) {
  const Config config = load_config({});
  EXPECT_EQ(config.server.host, "127.0.0.1");
  EXPECT_EQ(config.audio.input, "none");
  EXPECT_EQ(config.audio.output, "none");
  EXPECT_EQ(config.engine.mode, Mode::delayed);
  EXPECT_DOUBLE_EQ(config.engine.hop_s, 1.0);
  EXPECT_DOUBLE_EQ(config.engine.reserve_s, 1.5) << "hop + .5";
  EXPECT_EQ(config.model.preset, "lite");
}

TEST(Config, ReadsEverySection) {
  const Config config = parse_config(R"(
[server]
host = "0.0.0.0"
port = 9000
token = "secret"
origins = ["https://stage.example"]
[audio]
input = "USB"
monitor_db = -6
[midi]
clock = true
[midi.map]
mute = "note 60"
level = "channel 2 control 7"
[engine]
mode = "live"
hop_s = 0.5
[model]
device = "cuda:1"
seed = 7
style = "strings"
)",
                                     "stage.toml");
  EXPECT_EQ(config.server.port, 9000);
  EXPECT_THAT(config.server.origins, ElementsAre("https://stage.example"));
  EXPECT_EQ(config.audio.input, "USB");
  EXPECT_FLOAT_EQ(config.audio.monitor_db, -6) << "a whole number is a number";
  EXPECT_TRUE(config.midi.clock);
  EXPECT_EQ(config.midi.map.mute, (MidiTrigger{MidiTrigger::Kind::note, 60, {}}));
  EXPECT_EQ(config.midi.map.level, (MidiTrigger{MidiTrigger::Kind::control, 7, 2}));
  EXPECT_EQ(config.engine.mode, Mode::live);
  EXPECT_DOUBLE_EQ(config.engine.reserve_s, 1.0) << "follows hop_s where it is not given";
  EXPECT_EQ(config.model.device, "cuda:1");
  EXPECT_EQ(config.model.seed, 7u);
  EXPECT_EQ(config.model.style, model::Ensemble::strings);
  EXPECT_EQ(room_settings(config).style, model::Ensemble::strings);
}

TEST(Config, ListsEveryErrorWithItsLine) {
  const std::string errors = errors_of(R"([server]
port = 70000
[engine]
hop = 1
mode = "fast"
[enigne]
[model]
seed = "one"
device = "gpu"
)");
  EXPECT_THAT(errors, HasSubstr("stage.toml:2: [server] port = 70000: expected a whole number from 0 to 65535"));
  EXPECT_THAT(errors, HasSubstr("stage.toml:4: [engine] hop: no such key; did you mean hop_s?"));
  EXPECT_THAT(errors, HasSubstr("stage.toml:5: [engine] mode = \"fast\": expected \"delayed\" or \"live\""));
  EXPECT_THAT(errors, HasSubstr("stage.toml:6: [enigne]: no such section; did you mean engine?"));
  EXPECT_THAT(errors, HasSubstr("stage.toml:8: [model] seed = \"one\": expected a whole number from 0"));
  EXPECT_THAT(errors, HasSubstr("stage.toml:9: [model] device = \"gpu\": expected \"cpu\", \"cuda\" or \"cuda:N\""));
  EXPECT_TRUE(errors.starts_with("stage.toml:2:")) << "in the order of the file";
  EXPECT_EQ(std::ranges::count(errors, '\n'), 5) << "six errors, a line each:\n" << errors;
}

TEST(Config, NamesTheKeysWhereNoneIsNear) {
  EXPECT_THAT(errors_of("[midi]\nxyzzy = 1\n"), HasSubstr("no such key; expected one of input, output, clock"));
}

TEST(Config, OverridesWinAndAreCheckedAlike) {
  const std::vector<std::string> overrides = {"engine.mode=live", "server.token=1234", "engine.hop_s=0.5",
                                              "midi.map.tap=note 3", "model.preset=\"paper\""};
  const Config config = parse_config("[engine]\nmode = \"delayed\"\n", "stage.toml", overrides);
  EXPECT_EQ(config.engine.mode, Mode::live);
  EXPECT_EQ(config.server.token, "1234") << "text needs no quotes on a command line";
  EXPECT_DOUBLE_EQ(config.engine.hop_s, 0.5);
  EXPECT_EQ(config.midi.map.tap->number, 3);
  EXPECT_EQ(config.model.preset, "paper");

  const std::string errors = errors_of("", {"engine.mod=live", "nonsense", "engine.hop_s=fast", "audoi.rate=1"});
  EXPECT_THAT(errors, HasSubstr("--set engine.mod=live: [engine] mod: no such key; did you mean mode?"));
  EXPECT_THAT(errors, HasSubstr("--set nonsense: expected section.key=value"));
  EXPECT_THAT(errors, HasSubstr("--set engine.hop_s=fast: [engine] hop_s = \"fast\": expected a number from 0.2 to 4"));
  EXPECT_THAT(errors, HasSubstr("[audoi]: no such section; did you mean audio?"));
}

TEST(Config, KeyAndChartAreReadAndTheirErrorsHaveALine) {
  const test::Scratch folder;
  const std::string song = (folder / "song.cho").string();
  std::ofstream(song) << "{key: Am}\n| Am | F |\n";
  const auto with = [](const std::string& chart) { return "[model]\nkey = \"F#m\"\nchart = \"" + chart + "\"\n"; };
  const Config config = parse_config(with(song), "stage.toml");
  const RoomSettings settings = room_settings(config);
  ASSERT_TRUE(settings.key && settings.chart);
  EXPECT_EQ(model::chord_name(*settings.key), "F#m");
  EXPECT_EQ(settings.chart->beats.size(), 8u);

  std::ofstream(song) << "| Am | Hm |\n";
  EXPECT_THAT(errors_of(with(song)), testing::StartsWith("stage.toml:3: [model] chart = \"" + song +
                                                         "\": song.cho:1:8: \"Hm\" is no chord; expected A to G"));
  EXPECT_THAT(errors_of(with("none.cho")),
              HasSubstr("stage.toml:3: [model] chart = \"none.cho\": cannot read the chart"));
  EXPECT_THAT(errors_of("", {"model.chart=none.cho"}), HasSubstr("[model] chart = \"none.cho\": cannot read"));
  EXPECT_THAT(errors_of("[model]\nkey = \"H\"\ntemperature = 9\ndensity = \"much\"\n"),
              testing::AllOf(HasSubstr("stage.toml:2: [model] key = \"H\": expected A to G with # or b"),
                             HasSubstr("stage.toml:3: [model] temperature = 9: expected a number from 0.2 to 1.5"),
                             HasSubstr("stage.toml:4: [model] density = \"much\": expected a number from -1 to 1")));
}

TEST(Config, AnythingButLoopbackNeedsAToken) {
  EXPECT_THAT(errors_of("[server]\nhost = \"0.0.0.0\"\n"), HasSubstr("needs a token"));
  EXPECT_EQ(errors_of("[server]\nhost = \"0.0.0.0\"\ntoken = \"x\"\n"), "");
}

TEST(Config, AReserveMustSurviveALostWindow) {
  EXPECT_THAT(errors_of("[engine]\nhop_s = 1.0\nreserve_s = 1.0\n"), HasSubstr("hop_s + 0.25 or more"));
}

TEST(Config, SaysWhereItIsNotToml) {
  EXPECT_THAT(errors_of("[server]\nport = \n"), HasSubstr("stage.toml:2: not TOML"));
}

TEST(Config, SaysThatAFileIsMissing) {
  try {
    load_config("/no/such/file.toml");
    FAIL() << "a missing file was read";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cannot read the configuration /no/such/file.toml"));
  }
}

TEST(Config, KnowsWhatNeedsARestart) {
  Config fresh;
  fresh.engine.mode = Mode::live;
  fresh.server.port = 1;
  fresh.model.preset = "paper";
  EXPECT_THAT(needs_restart(Config{}, fresh), ElementsAre("server.port", "model.preset")) << "the mode follows at once";
}

// Whatever bytes a file holds, it gives a configuration or an Error.
TEST(Config, SurvivesNoise) {
  std::mt19937 random(1);
  const std::string alphabet = "[]=\"'.\n#abcserver engine port 0123456789-+eE{},\\\t";
  int errors = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    for (auto n = random() % 60; n > 0; --n) text += alphabet[random() % alphabet.size()];
    try {
      parse_config(text, "noise.toml");
    } catch (const Error&) {
      ++errors;
    }
  }
  EXPECT_GT(errors, 1500) << "noise is hardly ever a configuration";
}

}  // namespace
}  // namespace fastsag::daemon
