#include "model/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fstream>

#include "model/checkpoint.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Machine : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }
  test::Scratch root_;
};

TEST_F(Machine, TheTightestOfSystemAndGroupsCounts) {
  EXPECT_EQ(available_bytes(root_.path()), kNoLimit);
  write("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable:    5000 kB\n");
  EXPECT_EQ(available_bytes(root_.path()), 5000 * 1024);
  write("proc/self/cgroup", "0::/a.slice/b.service\n");
  write("sys/fs/cgroup/a.slice/b.service/memory.max", "max\n");
  write("sys/fs/cgroup/a.slice/memory.max", "3000000\n");
  write("sys/fs/cgroup/a.slice/memory.current", "2000000\n");
  write("sys/fs/cgroup/a.slice/memory.stat", "anon 5\ninactive_file 400000\n");
  EXPECT_EQ(available_bytes(root_.path()), 1400000);
  write("sys/fs/cgroup/a.slice/b.service/memory.max", "100000\n");
  EXPECT_EQ(available_bytes(root_.path()), 100000);
}

TEST(Memory, ThisMachineSaysWhatItHas) {
  EXPECT_GT(available_bytes(), int64_t{1} << 26);
  EXPECT_LT(available_bytes(), int64_t{1} << 46);
}

TEST(Memory, TooLittleNamesWhatWouldFit) {
  const test::Scratch folder;
  const auto preset = [&](const std::string& name, int64_t weights) {
    std::ofstream(folder / (name + ".toml")) << "form = 'lite'\nweights = '" + name + ".safetensors'\n";
    if (weights > 0) save_tensors(folder / (name + ".safetensors"), {{"w", torch::ones({weights})}}, {}, Storage::fp16);
    return load_preset(name, folder.path());
  };
  preset("little", 1000);
  preset("absent", 0);
  const Preset large = preset("large", 50'000'000);  // as fp32 and once more: 0.4 GB
  EXPECT_NEAR(static_cast<double>(needed_bytes(large)) * 1e-9, .55 + .4, .001);
  check_memory(large, needed_bytes(large), folder.path());
  const std::string error = test::error_of([&] { check_memory(large, 700'000'000, folder.path()); });
  EXPECT_THAT(error, AllOf(HasSubstr("preset large needs about 1.0 GB"), HasSubstr("0.7 GB is to be had"),
                           HasSubstr("fits: little (0.6 GB)"), Not(HasSubstr("absent"))));
  EXPECT_THAT(test::error_of([&] { check_memory(large, 1000, folder.path()); }),
              HasSubstr("no preset that is here fits"));
}

}  // namespace
}  // namespace fastsag::model
