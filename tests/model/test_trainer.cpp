#include "model/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>

#include "dsp/error.h"
#include "tests/model/toy_part.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using test::toy_options;
using test::ToyPart;

struct ToyRun {
  explicit ToyRun(const std::filesystem::path& folder, bool resume = false, int64_t a_steps = 40,
                  int64_t b_steps = 20) {
    torch::manual_seed(resume ? 77 : 5);  // weights drawn by a resumed run must not matter
    TrainConfig config;
    config.validate_steps = 10;
    auto first = std::make_unique<ToyPart>("a", toy_options(a_steps), 0.2);
    auto second = std::make_unique<ToyPart>("b", toy_options(b_steps));
    a = first.get();
    b = second.get();
    std::vector<std::unique_ptr<Part>> parts;
    parts.push_back(std::move(first));
    parts.push_back(std::move(second));
    trainer = std::make_unique<Trainer>(config, std::move(parts), group, trainer_paths(folder));
    if (resume) trainer->resume();
  }
  Group group;
  ToyPart *a, *b;
  std::unique_ptr<Trainer> trainer;
  std::atomic<bool> stop{false};
};

std::map<std::string, torch::Tensor> tensors_of(const std::filesystem::path& path) {
  const SafetensorsFile file(path);
  std::map<std::string, torch::Tensor> tensors;
  for (const TensorInfo& info : file.header().tensors) tensors[info.name] = read_tensor(file, info);
  return tensors;
}

void expect_same_tensors(const std::filesystem::path& left, const std::filesystem::path& right) {
  const auto one = tensors_of(left), other = tensors_of(right);
  ASSERT_EQ(one.size(), other.size());
  for (const auto& [name, tensor] : one) {
    ASSERT_TRUE(other.contains(name)) << name;
    EXPECT_TRUE(torch::equal(tensor, other.at(name))) << name;
  }
}

TEST(Trainer, LearnsAndReleasesTheAverage) {
  const test::Scratch folder;
  ToyRun run(folder.path(), false, 400, 200);
  ASSERT_TRUE(run.trainer->run(run.stop));
  run.trainer->release({{"command", "toy"}});
  // sin(sum / 2) of unit normals has variance .43: a constant would stay there, a net of 8 units gets most of it.
  EXPECT_LT(run.a->validate()["loss"], 0.15);
  EXPECT_FALSE(run.a->was_training);
  EXPECT_EQ(run.b->validations, 20);  // every 10 of 200 steps
  const SafetensorsFile file(folder / "weights.safetensors");
  EXPECT_EQ(file.header().metadata.at("command"), "toy");
  EXPECT_EQ(file.header().metadata.at("a.steps"), "400");
  EXPECT_LT(std::stod(file.header().metadata.at("b.loss")), 0.2);
  EXPECT_EQ(file.header().find("a.first.weight")->dtype, DType::f16);
  // The average lags behind the last weights, which are what the module still holds.
  const torch::Tensor released = read_tensor(file, *file.header().find("a.first.weight")).to(torch::kFloat);
  const double apart = (released - run.a->net->first->weight).abs().max().item<double>();
  EXPECT_GT(apart, 1e-6);
  EXPECT_LT(apart, 0.1);
}

TEST(Trainer, PartsTakeTurnsByHowFarTheyAre) {
  const test::Scratch folder;
  ToyRun run(folder.path());
  int64_t a_steps = 0, b_steps = 0;
  const auto check = [&] {
    // No part is ever further ahead of the other than one of its own steps.
    EXPECT_LE(std::abs(static_cast<double>(a_steps) / 40 - static_cast<double>(b_steps) / 20), 1.0 / 20 + 1e-9);
  };
  run.a->on_step = [&](int64_t step) { a_steps = step + 1, check(); };
  run.b->on_step = [&](int64_t step) { b_steps = step + 1, check(); };
  EXPECT_TRUE(run.trainer->run(run.stop));
  EXPECT_EQ(a_steps, 40);
  EXPECT_EQ(b_steps, 20);
}

TEST(Trainer, StoppedAndResumedGivesTheSameBytesAsNeverStopped) {
  const test::Scratch straight, broken;
  ToyRun whole(straight.path());
  ASSERT_TRUE(whole.trainer->run(whole.stop));
  whole.trainer->release({});

  std::vector<double> a_losses, b_losses;
  for (const int64_t stop_at : {int64_t{0}, int64_t{13}, int64_t{27}, int64_t{1000}}) {
    ToyRun piece(broken.path(), stop_at > 0);
    piece.a->on_step = [&](int64_t step) { piece.stop = step == stop_at; };
    EXPECT_EQ(piece.trainer->run(piece.stop), stop_at == 1000);
    if (stop_at == 1000) piece.trainer->release({});
    a_losses.insert(a_losses.end(), piece.a->losses.begin(), piece.a->losses.end());
    b_losses.insert(b_losses.end(), piece.b->losses.begin(), piece.b->losses.end());
  }
  EXPECT_EQ(a_losses, whole.a->losses);
  EXPECT_EQ(b_losses, whole.b->losses);
  expect_same_tensors(straight / "checkpoint.safetensors", broken / "checkpoint.safetensors");
  expect_same_tensors(straight / "weights.safetensors", broken / "weights.safetensors");

  // The log tells every tenth step once.
  std::map<int64_t, int> rows;
  for (const LogRow& row : read_log(broken / "log.csv")) {
    if (row.part == "a" && row.figure == "loss" && row.split == "train") ++rows[row.step];
  }
  EXPECT_EQ(rows, (std::map<int64_t, int>{{10, 1}, {20, 1}, {30, 1}, {40, 1}}));
}

// The system's limit on a file's size stands for the disk's end: a write stops in the middle of the file.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit full{bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

TEST(Trainer, AFullDiskLeavesTheLastCheckpointToGoOnFrom) {
  const test::Scratch straight, full;
  ToyRun whole(straight.path());
  ASSERT_TRUE(whole.trainer->run(whole.stop));
  whole.trainer->release({});
  {
    ToyRun run(full.path());
    run.a->on_step = [&](int64_t step) { run.stop = step == 13; };
    run.trainer->run(run.stop);
  }
  const auto before = tensors_of(full / "checkpoint.safetensors");
  const auto bytes = std::filesystem::file_size(full / "checkpoint.safetensors");
  {
    ToyRun run(full.path(), true);
    run.a->on_step = [&](int64_t step) { run.stop = step == 27; };
    const FullDisk disk(bytes / 2);
    EXPECT_THAT(test::error_of([&] { run.trainer->run(run.stop); }),
                testing::AllOf(testing::HasSubstr("cannot write"), testing::HasSubstr("checkpoint.safetensors"),
                               testing::HasSubstr("not full")));
  }
  // The log is written first: a run that ends between the two loses none of its rows on resuming.
  EXPECT_TRUE(std::ranges::any_of(read_log(full / "log.csv"), [](const LogRow& row) { return row.step == 20; }));
  const auto after = tensors_of(full / "checkpoint.safetensors");
  for (const auto& [name, tensor] : before) EXPECT_TRUE(torch::equal(after.at(name), tensor)) << name;
  for (const auto& entry : std::filesystem::directory_iterator(full.path()))
    EXPECT_NE(entry.path().extension(), ".tmp") << "nothing beside";
  ToyRun rest(full.path(), true);
  ASSERT_TRUE(rest.trainer->run(rest.stop));
  rest.trainer->release({});
  expect_same_tensors(straight / "weights.safetensors", full / "weights.safetensors");
}

TEST(Trainer, AResumedLogDropsWhatTheCheckpointDoesNotKnow) {
  const test::Scratch folder;
  {
    ToyRun run(folder.path());
    run.a->on_step = [&](int64_t step) { run.stop = step == 24; };
    run.trainer->run(run.stop);
  }
  // As after a crash: the log is ahead of the checkpoint.
  std::ofstream(folder / "log.csv", std::ios::app) << "9.0,a,30,train,loss,123\n";
  ToyRun run(folder.path(), true);
  run.trainer->run(run.stop);
  for (const LogRow& row : read_log(folder / "log.csv")) EXPECT_NE(row.value, 123);
}

TEST(Trainer, AStepWithoutFiniteGradientsIsLeftOut) {
  const test::Scratch folder;
  ToyRun run(folder.path());
  run.a->poisoned = 7;
  ASSERT_TRUE(run.trainer->run(run.stop));
  run.trainer->release({});
  EXPECT_TRUE(torch::isfinite(run.a->net->first->weight).all().item<bool>());

  const test::Scratch other;
  ToyRun broken(other.path());
  broken.b->poisoned = -2;
  try {
    broken.trainer->run(broken.stop);
    ADD_FAILURE() << "20 steps without gradients in a row must end it";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("part b"));
  }
}

TEST(Trainer, AForeignCheckpointIsRefused) {
  const test::Scratch folder;
  ToyRun run(folder.path());
  run.trainer->run(run.stop);
  TrainConfig config;
  const auto resumed_error = [&](std::unique_ptr<Part> part) -> std::string {
    std::vector<std::unique_ptr<Part>> parts;
    parts.push_back(std::move(part));
    Group group;
    Trainer trainer(config, std::move(parts), group, trainer_paths(folder.path()));
    try {
      trainer.resume();
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  };
  config.seed = 2;
  EXPECT_THAT(resumed_error(std::make_unique<ToyPart>("a")), testing::HasSubstr("seed 1"));
  config.seed = 1;
  EXPECT_EQ(resumed_error(std::make_unique<ToyPart>("a")), "none");
  struct OtherNet : ToyPart {
    OtherNet() : ToyPart("a") { net->register_module("more", torch::nn::Linear(1, 1)); }
  };
  EXPECT_THAT(resumed_error(std::make_unique<OtherNet>()), testing::HasSubstr("other layers"));
  std::filesystem::resize_file(folder / "checkpoint.safetensors", 1000);
  EXPECT_THAT(resumed_error(std::make_unique<ToyPart>("a")), testing::HasSubstr("checkpoint.safetensors"));
}

TEST(Trainer, StartsFromReleasedWeightsAndKeepsThePartsItDoesNotTrain) {
  const test::Scratch folder;
  ToyRun run(folder / "first");
  run.trainer->run(run.stop);
  run.trainer->release({{"data", "toys"}});

  TrainConfig config;
  config.start = folder / "first" / "weights.safetensors";
  torch::manual_seed(123);
  std::vector<std::unique_ptr<Part>> parts;
  auto options = toy_options(1);
  options.learning_rate = 0;
  parts.push_back(std::make_unique<ToyPart>("b", options));
  Group group;
  Trainer second(config, std::move(parts), group, trainer_paths(folder / "second"));
  std::atomic<bool> stop{false};
  second.run(stop);
  second.release({});
  expect_same_tensors(folder / "first" / "weights.safetensors", folder / "second" / "weights.safetensors");
  EXPECT_EQ(SafetensorsFile(folder / "second" / "weights.safetensors").header().metadata.at("data"), "toys");
}

TEST(Trainer, ATimeBudgetEndsByTime) {
  const test::Scratch folder;
  TrainConfig config;
  config.part["a"].minutes = 1e-9;  // less than one step takes
  auto part = std::make_unique<ToyPart>("a", toy_options(1000000));
  ToyPart* toy = part.get();
  std::vector<std::unique_ptr<Part>> parts;
  parts.push_back(std::move(part));
  Group group;
  Trainer trainer(config, std::move(parts), group, trainer_paths(folder.path()));
  std::atomic<bool> stop{false};
  EXPECT_TRUE(trainer.run(stop));
  EXPECT_EQ(toy->losses.size(), 1u);
}

TEST(LearningRate, WarmsUpThenFollowsACosine) {
  PartOptions options;
  options.warmup = 10;
  EXPECT_NEAR(learning_rate_factor(options, 0, 0), 0.1, 1e-12);
  EXPECT_NEAR(learning_rate_factor(options, 9, 0), 1, 1e-12);
  EXPECT_NEAR(learning_rate_factor(options, 500, 0.5), 0.5, 1e-12);
  EXPECT_NEAR(learning_rate_factor(options, 1000, 1), 0, 1e-12);
}

TEST(TrainerPaths, AFileOrAFolder) {
  const test::Scratch folder;
  EXPECT_EQ(trainer_paths(folder / "run").released, folder / "run" / "weights.safetensors");
  const auto paths = trainer_paths(folder / "lite.safetensors");
  EXPECT_EQ(paths.released, folder / "lite.safetensors");
  EXPECT_EQ(paths.folder, folder / "lite.run");
  EXPECT_TRUE(std::filesystem::is_directory(paths.folder));
}

}  // namespace
}  // namespace fastsag::model
