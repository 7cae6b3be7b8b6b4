#include "model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "dsp/error.h"
#include "model/info.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using test::error_of;
using testing::HasSubstr;

struct NetImpl : torch::nn::Module {
  NetImpl() {
    linear = register_module("linear", torch::nn::Linear(3, 2));
    norm = register_module("norm", torch::nn::BatchNorm1d(2));
  }
  torch::nn::Linear linear{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
};
TORCH_MODULE(Net);

TEST(Checkpoint, ModulesComeBackAsTheyWere) {
  const test::Scratch folder;
  Net a, b, a2, b2;
  a->norm->running_mean.fill_(3);
  const std::array saved = {PrefixedModule{"a", a.get()}, PrefixedModule{"b", b.get()}};
  save_modules(folder / "x.safetensors", saved, {{"k", "v"}}, Storage::fp32);
  load_modules(std::array{PrefixedModule{"a", a2.get()}, PrefixedModule{"b", b2.get()}}, folder / "x.safetensors");
  EXPECT_TRUE(torch::equal(a->linear->weight, a2->linear->weight));
  EXPECT_TRUE(torch::equal(b->linear->bias, b2->linear->bias));
  EXPECT_EQ(a2->norm->running_mean[1].item<float>(), 3);
  EXPECT_EQ(SafetensorsFile(folder / "x.safetensors").header().metadata.at("k"), "v");
}

TEST(Checkpoint, HalfPrecisionKeepsElevenBits) {
  const test::Scratch folder;
  Net net, read;
  const PrefixedModule entry{"", net.get()};
  save_modules(folder / "x", std::span(&entry, 1), {}, Storage::fp16);
  load_module(*read, folder / "x", "");
  const auto error = ((read->linear->weight - net->linear->weight) / net->linear->weight).abs().max().item<float>();
  EXPECT_LE(error, 1.0f / 2048);
  EXPECT_EQ(SafetensorsFile(folder / "x").header().find("linear.weight")->dtype, DType::f16);
  EXPECT_EQ(SafetensorsFile(folder / "x").header().find("norm.num_batches_tracked")->dtype, DType::i64);
}

TEST(Checkpoint, OneErrorTellsEveryDifferenceAndChangesNothing) {
  const test::Scratch folder;
  Net net;
  NamedTensors tensors = module_tensors(*net, "net");
  for (auto& [name, tensor] : tensors) tensor = tensor.detach().clone();
  std::erase_if(tensors, [](const auto& entry) { return entry.first == "net.linear.bias"; });
  for (auto& [name, tensor] : tensors) {
    if (name == "net.linear.weight") tensor = torch::zeros({2, 4});
    if (name == "net.norm.num_batches_tracked") tensor = torch::zeros({});
  }
  tensors.emplace_back("net.surplus", torch::zeros({1}));
  tensors.emplace_back("other.theirs", torch::zeros({1}));
  save_tensors(folder / "x", tensors, {}, Storage::fp32);

  const torch::Tensor before = net->norm->weight.detach().clone();
  const std::string error = error_of([&] { load_module(*net, folder / "x", "net"); });
  EXPECT_THAT(error, HasSubstr("4 differences"));
  EXPECT_THAT(error, HasSubstr("net.linear.bias: missing, expected [2]"));
  EXPECT_THAT(error, HasSubstr("net.linear.weight: shape [2, 4], expected [2, 3]"));
  EXPECT_THAT(error, HasSubstr("net.norm.num_batches_tracked: type F32"));
  EXPECT_THAT(error, HasSubstr("net.surplus: not wanted"));
  EXPECT_THAT(error, testing::Not(HasSubstr("theirs")));
  EXPECT_TRUE(torch::equal(net->norm->weight, before));
  const PrefixedModule entry{"net", net.get()};
  EXPECT_THAT(error_of([&] { load_modules(std::span(&entry, 1), folder / "x"); }),
              HasSubstr("other.theirs: not wanted"));
}

TEST(Checkpoint, NumbersThatAreNoneAreRefusedBothWays) {
  const test::Scratch folder;
  Net net;
  const PrefixedModule entry{"net", net.get()};
  const torch::NoGradGuard no_grad;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    net->linear->bias[0] = bad;
    EXPECT_THAT(error_of([&] { save_modules(folder / "x", std::span(&entry, 1), {}, Storage::fp32); }),
                HasSubstr("net.linear.bias"));
    EXPECT_FALSE(std::filesystem::exists(folder / "x"));
    const std::array<float, 2> bytes = {bad, 0};
    write_safetensors(folder / "bad",
                      std::vector<TensorBytes>{{"net.bias", DType::f32, {2}, std::as_bytes(std::span(bytes))}});
    struct Bias : torch::nn::Module {
      Bias() { register_parameter("bias", torch::zeros({2})); }
    } bias;
    EXPECT_THAT(error_of([&] { load_module(bias, folder / "bad", "net"); }), HasSubstr("NaN"));
  }
  net->linear->bias[0] = 70000;  // finite, but beyond fp16
  EXPECT_THAT(error_of([&] { save_modules(folder / "x", std::span(&entry, 1), {}, Storage::fp16); }),
              HasSubstr("65504"));
  save_modules(folder / "x", std::span(&entry, 1), {}, Storage::fp32);
}

TEST(Checkpoint, APrefixIsAWholeWord) {
  const test::Scratch folder;
  Net net;
  NamedTensors tensors = module_tensors(*net, "net");
  tensors.emplace_back("network.weight", torch::zeros({1}));
  save_tensors(folder / "x", tensors, {}, Storage::fp32);
  load_module(*net, folder / "x", "net");
}

TEST(Checkpoint, TensorsThatNobodyWantsMayBeThereWhereThatIsSaid) {
  const test::Scratch folder;
  Net net;
  NamedTensors tensors = module_tensors(*net, "");
  tensors.emplace_back("layers.7.weight", torch::zeros({1}));
  save_tensors(folder / "x", tensors, {}, Storage::fp32);
  const std::array<PrefixedModule, 2> parts = {PrefixedModule{"", net.get()}, PrefixedModule{"layers.7", nullptr}};
  EXPECT_THAT(error_of([&] { load_modules(std::span(parts).first(1), folder / "x"); }), HasSubstr("layers.7.weight"));
  load_modules(parts, folder / "x");
}

TEST(Info, TellsPartsMetadataAndTensors) {
  const test::Scratch folder;
  save_tensors(
      folder / "x",
      {{"chord.in.weight", torch::zeros({1000, 500})}, {"chord.b", torch::zeros({3})}, {"note.w", torch::zeros({2})}},
      {{"data", "POP909\x1b[31m"}}, Storage::fp16);
  const std::string text = describe_file(folder / "x");
  EXPECT_THAT(text, HasSubstr("0.50 M parameters, 1.00 MB, 3 tensors"));
  EXPECT_THAT(text, HasSubstr("  chord  0.50 M parameters, 1.00 MB, 2 tensors"));
  EXPECT_THAT(text, HasSubstr("data = POP909 [31m"));  // no command to the terminal
  EXPECT_THAT(text, HasSubstr("chord.in.weight  F16   [1000, 500]"));
}

TEST(Info, SaysInWordsWhatAFileAndItsPartsAreWhereItsMetadataDoes) {
  const test::Scratch folder;
  save_tensors(
      folder / "x",
      {{"encoder.0.w", torch::zeros({10000})}, {"encoder.1.w", torch::zeros({20000})}, {"rest.w", torch::zeros({1})}},
      {{"about", "A model"}, {"part.encoder.0", "WaveNet"}, {"part.enc", "not this"}, {"licence", "MIT"}},
      Storage::fp32);
  const std::string text = describe_file(folder / "x");
  EXPECT_THAT(text, HasSubstr("3 tensors\nA model\n"));
  EXPECT_THAT(text, HasSubstr("  encoder.0  WaveNet: 0.01 M parameters, 0.04 MB, 1 tensors"));
  EXPECT_THAT(text, HasSubstr("  encoder    0.02 M parameters"));
  EXPECT_THAT(text, HasSubstr("\nmetadata\n  licence = MIT\n\ntensors"));  // what was said above is not repeated
}

}  // namespace
}  // namespace fastsag::model
