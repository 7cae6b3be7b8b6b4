// Ranks are real processes: this test starts its own program again, once a rank, and only the worker below runs there.
#include "model/train/distributed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "dsp/error.h"
#include "model/train/trainer.h"
#include "tests/model/toy_part.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using test::toy_options;
using test::ToyPart;

constexpr const char* kFolder = "FASTSAG_TEST_FOLDER";
constexpr const char* kTask = "FASTSAG_TEST_TASK";

int run_workers(int count, const std::string& task, const std::filesystem::path& folder) {
  setenv(kFolder, folder.c_str(), 1);
  setenv(kTask, task.c_str(), 1);
  const int code = run_processes(count, {"/proc/self/exe", "--gtest_filter=Distributed.AveragesAndBroadcasts*"});
  unsetenv(kTask);
  return code;
}

void train_toy(Group& group, const std::filesystem::path& folder, int ranks_in_one, int64_t stop_at = -1,
               bool resume = false) {
  torch::manual_seed(group.first() ? 5 : 1234);  // ranks draw different weights; the first one's count
  auto part = std::make_unique<ToyPart>("toy", toy_options(30));
  part->ranks_in_one = ranks_in_one;
  std::atomic<bool> stop{false};
  part->on_step = [&](int64_t step) { stop = group.rank() == group.world() - 1 && step == stop_at; };
  std::vector<std::unique_ptr<Part>> parts;
  parts.push_back(std::move(part));
  TrainConfig config;
  config.storage = Storage::fp32;
  Trainer trainer(config, std::move(parts), group, trainer_paths(folder));
  if (resume) trainer.resume();
  if (trainer.run(stop)) trainer.release({});
}

torch::Tensor released(const std::filesystem::path& folder) {
  const SafetensorsFile file(folder / "weights.safetensors");
  std::vector<torch::Tensor> all;
  for (const TensorInfo& info : file.header().tensors) all.push_back(read_tensor(file, info).flatten());
  return torch::cat(all);
}

void expect(bool holds, const char* what) {
  if (!holds) throw Error(what);
}

void work(const std::string& task, const std::filesystem::path& folder) {
  torch::set_num_threads(1);
  Group group = Group::from_environment();
  if (task == "average") {
    torch::Tensor values = torch::tensor({1.0f + static_cast<float>(group.rank()), 10.0f});
    group.average(values);
    expect(values[0].item<float>() == 2, "the mean of 1, 2, 3 is 2");
    expect(values[1].item<float>() == 10, "the mean of equals is the same");
    torch::Tensor shared = torch::full({2}, static_cast<double>(group.rank() + 7));
    group.broadcast(shared);
    expect(shared[1].item<double>() == 7, "the first rank's value");
  } else if (task == "train") {
    train_toy(group, folder, 1);
  } else if (task == "stop") {
    train_toy(group, folder, 1, 11);  // only the last rank is told to stop
  } else if (task == "resume") {
    train_toy(group, folder, 1, -1, true);
  } else if (task == "fail") {
    if (group.rank() == 1) std::_Exit(3);
    torch::Tensor never = torch::zeros({1});
    group.average(never);
  }
}

// In a rank's process the task runs before any test, and no test does.
class Worker : public testing::Environment {
  void SetUp() override {
    const char* task = std::getenv(kTask);
    if (!task) return;
    try {
      work(task, std::getenv(kFolder));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "rank failed: %s\n", error.what());
      std::_Exit(9);
    }
    std::_Exit(0);
  }
};
const auto* const kWorker = testing::AddGlobalTestEnvironment(new Worker);

TEST(Distributed, AveragesAndBroadcastsOverRanks) {
  const test::Scratch folder;
  EXPECT_EQ(run_workers(3, "average", folder.path()), 0);
}

TEST(Distributed, TwoRanksEqualOneWithTheDoubleBatch) {
  const test::Scratch two, one;
  ASSERT_EQ(run_workers(2, "train", two.path()), 0);
  Group alone;
  train_toy(alone, one.path(), 2);
  // Sums in another order: rounding of 1e-7 a step, 30 steps through Adam's square roots.
  EXPECT_LT((released(two.path()) - released(one.path())).abs().max().item<float>(), 1e-5);
}

TEST(Distributed, AllRanksStopWhenOneIsTold) {
  const test::Scratch broken, straight;
  ASSERT_EQ(run_workers(2, "stop", broken.path()), 0);
  EXPECT_FALSE(std::filesystem::exists(broken / "weights.safetensors"));
  EXPECT_EQ(SafetensorsFile(broken / "checkpoint.safetensors").header().metadata.at("toy.step"), "12");
  ASSERT_EQ(run_workers(2, "resume", broken.path()), 0);
  ASSERT_EQ(run_workers(2, "train", straight.path()), 0);
  EXPECT_TRUE(torch::equal(released(broken.path()), released(straight.path())));
}

TEST(Distributed, ARankThatDiesEndsTheOthers) {
  const test::Scratch folder;
  EXPECT_EQ(run_workers(2, "fail", folder.path()), 3);
}

TEST(Distributed, NonsenseInTheEnvironmentIsTold) {
  const auto error_with = [](const char* world, const char* rank) -> std::string {
    setenv("WORLD_SIZE", world, 1);
    setenv("RANK", rank, 1);
    std::string message = "no error";
    try {
      Group::from_environment();
    } catch (const Error& error) {
      message = error.what();
    }
    unsetenv("WORLD_SIZE");
    unsetenv("RANK");
    return message;
  };
  EXPECT_THAT(error_with("two", "0"), testing::HasSubstr("WORLD_SIZE is two"));
  EXPECT_THAT(error_with("2", "2"), testing::HasSubstr("RANK is 2, expected a number from 0 to 1"));
  EXPECT_THAT(error_with("2", "0"), testing::HasSubstr("MASTER_ADDR"));
  EXPECT_EQ(error_with("1", "0"), "no error");
}

}  // namespace
}  // namespace fastsag::model
