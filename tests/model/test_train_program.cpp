// fastsag_train as a person runs it: a corpus of two made-up songs, a signal in the middle, and on from there.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <fstream>
#include <nlohmann/json.hpp>

#include "model/safetensors.h"
#include "tests/support/scratch.h"

extern char** environ;

namespace fastsag::model {
namespace {

using testing::HasSubstr;

void write_song(const std::filesystem::path& folder, const std::string& name, const std::string& split) {
  nlohmann::json song = {{"name", name}, {"split", split}, {"seconds", 64.0}, {"transpose", 0}, {"key", "C:maj"}};
  const std::array<int, 4> roots = {0, 7, 9, 5};
  const std::array<const char*, 4> chords = {"C:maj", "G:maj", "A:min", "F:maj"};
  for (int beat = 0; beat < 128; ++beat) {
    const double time = 0.5 * beat;
    const auto bar = static_cast<size_t>(beat / 4 % 4);
    song["beats"].push_back({time, beat % 4 == 0 ? 1 : 0});
    song["melody"].push_back({time, 0.4, 60 + (roots[bar] + 7 * (beat % 2)) % 12, 90});
    song["notes"].push_back({time, 0.45, 48 + roots[bar], 70, 0});
    if (beat % 4 == 0) song["chords"].push_back({time, time + 2, chords[bar]});
  }
  std::ofstream(folder / (name + ".json")) << song;
}

struct Ended {
  int code = -1;
  std::string output;
};

// Runs the program; sends the signal as soon as its output holds `until` (never where that is empty).
Ended run(std::vector<std::string> arguments, const std::string& until = "", int signal = SIGTERM) {
  arguments.insert(arguments.begin(), std::string(FASTSAG_BIN) + "/fastsag_train");
  std::vector<char*> argv;
  for (std::string& word : arguments) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  pid_t child = -1;
  const int failed = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (failed) throw std::runtime_error("cannot start " + arguments[0]);

  Ended ended;
  bool told = until.empty();
  std::array<char, 4096> piece{};
  for (ssize_t size = 0; (size = read(ends[0], piece.data(), piece.size())) > 0;) {
    ended.output.append(piece.data(), static_cast<size_t>(size));
    if (!told && ended.output.find(until) != std::string::npos) {
      kill(child, signal);
      told = true;
    }
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  ended.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return ended;
}

class TrainProgram : public testing::Test {
 protected:
  void SetUp() override {
    write_song(folder_.path(), "one", "train");
    write_song(folder_.path(), "two", "validate");
    arguments_ = {"--config", std::string(FASTSAG_SOURCE) + "/configs/train/lite.toml",
                  "--data",   folder_.path().string(),
                  "--out",    (folder_ / "tiny.safetensors").string(),
                  "--set",    "parts=[\"chord\"]",
                  "--set",    "chord.batch=2"};
  }
  std::vector<std::string> with(std::vector<std::string> more) const {
    more.insert(more.begin(), arguments_.begin(), arguments_.end());
    return more;
  }
  test::Scratch folder_;
  std::vector<std::string> arguments_;
};

TEST_F(TrainProgram, StopsOnASignalAndGoesOnFromThere) {
  // Many steps, and a validation soon, so that the signal comes in the middle whatever the machine's speed.
  const Ended stopped = run(with({"--set", "chord.steps=100000", "--set", "chord.validate_steps=2"}), "validation:");
  EXPECT_EQ(stopped.code, 0) << stopped.output;
  EXPECT_THAT(stopped.output, HasSubstr("--resume goes on"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "tiny.safetensors"));
  const auto checkpoint = folder_ / "tiny.run" / "checkpoint.safetensors";
  const int64_t step = std::stoll(SafetensorsFile(checkpoint).header().metadata.at("chord.step"));
  EXPECT_GE(step, 2);
  EXPECT_LT(step, 100000);

  const std::string last = std::to_string(step + 3);
  const Ended done = run(with({"--resume", "--set", "chord.steps=" + last}));
  EXPECT_EQ(done.code, 0) << done.output;
  const SafetensorsFile released(folder_ / "tiny.safetensors");
  EXPECT_EQ(released.header().metadata.at("chord.steps"), last);
  for (const auto& [key, text] : released.header().metadata) {
    EXPECT_EQ(text.find(folder_.path().string()), std::string::npos) << key << " names a folder of this machine";
  }
}

TEST_F(TrainProgram, KilledItGoesOnFromItsLastCheckpointToTheSameCurve) {
  const std::vector<std::string> steps = {"--set", "chord.steps=16",      "--set", "chord.validate_steps=4",
                                          "--set", "checkpoint_minutes=0"};
  const auto to = [&](const std::string& name, bool resume) {
    auto arguments = with(steps);
    std::ranges::replace(arguments, (folder_ / "tiny.safetensors").string(),
                         (folder_ / (name + ".safetensors")).string());
    if (resume) arguments.push_back("--resume");
    return arguments;
  };
  const Ended whole = run(to("whole", false));
  ASSERT_EQ(whole.code, 0) << whole.output;
  const Ended killed = run(to("killed", false), "validation:", SIGKILL);
  ASSERT_EQ(killed.code, 128 + SIGKILL) << killed.output;
  const Ended resumed = run(to("killed", true));
  ASSERT_EQ(resumed.code, 0) << resumed.output;
  const auto curve = [&](const std::string& run) {
    std::vector<std::string> rows;  // without the seconds that they took
    std::ifstream log(folder_ / run / "log.csv");
    for (std::string line; std::getline(log, line);)
      if (line.find(",validate,") != line.npos) rows.push_back(line.substr(line.find(',')));
    return rows;
  };
  EXPECT_GE(curve("whole.run").size(), 10u);
  EXPECT_EQ(curve("killed.run"), curve("whole.run"));
  const SafetensorsFile one(folder_ / "whole.safetensors"), other(folder_ / "killed.safetensors");
  ASSERT_EQ(one.header().tensors.size(), other.header().tensors.size());
  for (const TensorInfo& info : one.header().tensors)
    EXPECT_TRUE(std::ranges::equal(one.data(info), other.data(*other.header().find(info.name)))) << info.name;
}

TEST_F(TrainProgram, TwoProcessesTrainOneModel) {
  const Ended done = run(with({"--processes", "2", "--set", "chord.steps=3"}));
  EXPECT_EQ(done.code, 0) << done.output;
  EXPECT_EQ(SafetensorsFile(folder_ / "tiny.safetensors").header().metadata.at("processes"), "2");
}

TEST_F(TrainProgram, ProcessesEndWithTheOneThatStartedThem) {
  // Ranks that lived on would reach the last step and write the weights; `run` returns when the last of them is gone.
  const std::vector<std::string> options = {
      "--processes",         "2", "--set", "chord.steps=40", "--set", "chord.validate_steps=2", "--set",
      "checkpoint_minutes=0"};
  const Ended killed = run(with(options), "validation:", SIGKILL);
  EXPECT_EQ(killed.code, 128 + SIGKILL) << killed.output;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "tiny.safetensors"));
  EXPECT_EQ(killed.output.find("step 40 validation"), std::string::npos) << killed.output;
}

TEST_F(TrainProgram, LearnsFromSeveralCorpora) {
  const test::Scratch other;
  write_song(other.path(), "one", "train");
  write_song(other.path(), "two", "validate");
  const Ended done =
      run(with({"--data", other.path().string(), "--share", "3", "--share", "1", "--set", "chord.steps=2"}));
  EXPECT_EQ(done.code, 0) << done.output;
  EXPECT_EQ(SafetensorsFile(folder_ / "tiny.safetensors").header().metadata.at("data"),
            folder_.path().filename().string() + " " + other.path().filename().string());
  const Ended uneven = run(with({"--share", "3", "--share", "1"}));
  EXPECT_EQ(uneven.code, 2);
  EXPECT_THAT(uneven.output, HasSubstr("give one for each"));
}

TEST_F(TrainProgram, MistakesAreToldAndExitCodesDiffer) {
  EXPECT_EQ(run({"--config", "x.toml"}).code, 2);
  const Ended unknown = run(with({"--set", "chord.stesp=3"}));
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.output, HasSubstr("did you mean steps?"));
  const Ended nothing = run(with({"--resume"}));
  EXPECT_EQ(nothing.code, 1);
  EXPECT_THAT(nothing.output, HasSubstr("checkpoint.safetensors"));
  std::filesystem::remove(folder_ / "one.json");
  const Ended no_songs = run(with({"--set", "chord.steps=3"}));
  EXPECT_EQ(no_songs.code, 1);
  EXPECT_THAT(no_songs.output, HasSubstr(folder_.path().string()));
}

}  // namespace
}  // namespace fastsag::model
