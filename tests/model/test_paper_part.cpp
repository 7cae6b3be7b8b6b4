// The part "paper" in training: batches, pieces, what is clipped, what is released.
#include "model/train/paper_part.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "dsp/error.h"
#include "model/train/trainer.h"
#include "tests/model/stem_files.h"
#include "tests/model/toy_part.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using test::write_stem;

class PaperTraining : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* song : {"a", "b", "c"}) {
      write_stem(folder_ / song / "vocals.wav", 10, 24000, .3, 1, 1e9, 200 + 10 * song[0] % 7);
      write_stem(folder_ / song / "no_vocals.wav", 10, 24000, .3, 1, 5, 110 + 10 * song[0] % 7);
    }
    std::ofstream(folder_ / "tiny.toml")
        << "form = 'paper'\nweights = 'w.safetensors'\ncondition = 'bilinear'\n[front_end]\nkind = 'semitones'\n"
           "[size]\nsemantic_channels = 84\nsemantic_stacks = 1\nsemantic_blocks = 2\nperceiver = false\n"
           "prior_stacks = 1\nprior_blocks = 2\nunet_dim = 8\n[vocoder]\nkind = 'lite'\nweights = 'v.safetensors'\n";
  }
  std::unique_ptr<PaperPart> part(int64_t batch, int64_t at_once = 0, int64_t loaders = 1) {
    torch::manual_seed(3);
    const PaperRecipe recipe{.preset = folder_ / "tiny.toml", .at_once = at_once, .loaders = loaders};
    return std::make_unique<PaperPart>(folder_.path(), recipe, batch);
  }
  test::Scratch folder_;
};

TEST_F(PaperTraining, ThePublishedRecipeIsItsOwn) {
  const auto made = part(28);
  const PartOptions options = made->options();
  EXPECT_EQ(options.learning_rate, 1e-4);
  EXPECT_EQ(options.beta2, .999);
  EXPECT_EQ(options.weight_decay, 0);
  EXPECT_EQ(options.steps, 15);  // 200 epochs of 2 clips
  EXPECT_EQ(learning_rate_factor(options, 0, 0), 1);
  EXPECT_EQ(learning_rate_factor(options, 10000, .99), 1);
  EXPECT_THAT(made->clipped(), testing::ElementsAre("mixed_encoder.", "decoder."));
}

TEST_F(PaperTraining, PiecesAddUpToTheBatchInAnyOrderOfLoading) {
  const auto whole = part(3), pieces = part(3, 2, 3);
  ASSERT_EQ(pieces->pieces(), 2);
  const auto gradients = [](PaperPart& of, int64_t step) {
    double loss = 0;
    for (int64_t piece = 0; piece < of.pieces(); ++piece) {
      std::map<std::string, double> figures;
      const torch::Tensor share = of.loss({1, step, 0, piece}, figures);
      share.backward();
      loss += share.item<double>();
    }
    std::vector<torch::Tensor> flat;
    for (auto& parameter : of.module().parameters()) {
      flat.push_back(parameter.grad().flatten().clone());
      parameter.mutable_grad().zero_();
    }
    return std::pair(loss, torch::cat(flat));
  };
  gradients(*pieces, 0);  // what it loads ahead of a step that does not come must not matter
  const auto [one, at_once] = gradients(*whole, 5);
  const auto [other, summed] = gradients(*pieces, 5);
  EXPECT_NEAR(one, other, 1e-5 * one);
  EXPECT_LT((at_once - summed).norm().item<double>(), 1e-4 * at_once.norm().item<double>());  // fp32 sums in two orders
}

TEST(PaperLosses, OfAPartOfTheWindowEachItemHasItsOwn) {
  const torch::NoGradGuard no_grad;
  torch::manual_seed(4);
  PaperSizes sizes;
  sizes.semantic_channels = 8, sizes.semantic_stacks = sizes.prior_stacks = 1;
  sizes.semantic_blocks = sizes.prior_blocks = 2;
  sizes.perceiver = false, sizes.unet_dim = 8, sizes.frames = 40, sizes.width = 64;
  Condition condition(sizes);
  UNet unet(8);
  const PaperBatch batch{torch::randn({2, 50, 8}), torch::randn({2, 50, 8}), torch::randn({2, 100, 40})};
  const auto losses = [&](const PaperBatch& of, const PaperDraws& draws) {
    return paper_losses(condition, unet, of, draws, ConditionPath::bilinear);
  };
  PaperDraws draws{torch::randn({2}), torch::randn({2, 100, 64})};
  const double whole = losses(batch, draws).diffusion.item<double>();
  draws.begin = torch::zeros({2}, torch::kLong);
  EXPECT_EQ(losses(batch, draws).diffusion.item<double>(), whole);

  draws.noise = draws.noise.narrow(2, 0, 16), draws.begin = torch::tensor({8, 20});
  const PaperLosses part = losses(batch, draws);
  EXPECT_EQ(part.denoised.size(2), 16);
  PaperBatch other = batch;
  other.mel = batch.mel.clone();
  other.mel[0].narrow(1, 0, 8).fill_(9), other.mel[0].narrow(1, 24, 16).fill_(9);
  other.mel[1].narrow(1, 0, 20).fill_(9), other.mel[1].narrow(1, 36, 4).fill_(9);
  EXPECT_EQ(losses(other, draws).diffusion.item<double>(), part.diffusion.item<double>());
  EXPECT_GT(losses(other, draws).prior.item<double>(), part.prior.item<double>());  // which sees all
  other.mel[1].narrow(1, 35, 1).fill_(9);
  EXPECT_NE(losses(other, draws).diffusion.item<double>(), part.diffusion.item<double>());
}

TEST_F(PaperTraining, ResumedGivesTheSameCurveAndTheReleasedFileIsThePublishedForm) {
  TrainConfig config;
  config.validate_steps = 2;
  config.storage = Storage::fp32;
  config.part["paper"].steps = 4;
  const auto run = [&](const std::filesystem::path& out, int64_t until, bool resume) {
    Group group;
    std::vector<std::unique_ptr<Part>> parts;
    parts.push_back(part(1));
    config.part["paper"].steps = until;
    Trainer trainer(config, std::move(parts), group, trainer_paths(out));
    if (resume) trainer.resume();
    std::atomic<bool> stop{false};
    EXPECT_TRUE(trainer.run(stop));
    trainer.release({});
  };
  run(folder_ / "straight", 4, false);
  run(folder_ / "broken", 2, false);
  run(folder_ / "broken", 4, true);
  const SafetensorsFile one(folder_ / "straight" / "weights.safetensors"),
      other(folder_ / "broken" / "weights.safetensors");
  for (const TensorInfo& info : one.header().tensors)
    EXPECT_TRUE(torch::equal(read_tensor(one, info), read_tensor(other, *other.header().find(info.name)))) << info.name;
  EXPECT_TRUE(one.header().find("decoder.estimator.mlp.0.weight"));
  // As the accompanist loads it: strictly, nothing missing and nothing left over.
  const PaperSizes sizes = load_preset_file(folder_ / "tiny.toml").sizes;
  Condition condition(sizes);
  UNet unet(sizes.unet_dim);
  const std::array modules = {PrefixedModule{"", condition.get()}, PrefixedModule{"decoder.estimator", unet.get()}};
  load_modules(modules, one);
  // And as a run may start from it.
  config.start = folder_ / "straight" / "weights.safetensors";
  config.part["paper"].learning_rate = 0;
  run(folder_ / "again", 1, false);
  const SafetensorsFile again(folder_ / "again" / "weights.safetensors");
  const TensorInfo* info = again.header().find("mixed_encoder.init_conv.weight");
  EXPECT_TRUE(torch::equal(read_tensor(again, *info), condition->mixed_encoder->init_conv->weight));
}

TEST_F(PaperTraining, ATinyRunLowersTheLoss) {
  TrainConfig config;
  config.part["paper"].learning_rate = 5e-3;
  config.part["paper"].bf16 = true;
  Group group;
  auto made = part(1);
  const double before = made->validate().at("loss");
  Trainee trainee(std::move(made), config.part["paper"], 1, group);
  const std::atomic<bool> stop{false};
  for (int step = 0; step < 15; ++step) trainee.train_step(stop);
  // Two thirds of it is the constant and the mean of the mel, which the first steps find.
  EXPECT_LT(trainee.validate().at("loss"), .9 * before);
}

TEST_F(PaperTraining, APresetThatCannotBeTrainedIsToldSo) {
  std::ofstream(folder_ / "tiny.toml", std::ios::app) << "\n";
  const auto error_with = [&](const std::string& from, const std::string& to) {
    std::ifstream in(folder_ / "tiny.toml");
    std::string text((std::istreambuf_iterator<char>(in)), {});
    text.replace(text.find(from), from.size(), to);
    std::ofstream(folder_ / "other.toml") << text;
    try {
      PaperPart(folder_.path(), {.preset = folder_ / "other.toml"}, 1);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("none");
  };
  EXPECT_THAT(error_with("'bilinear'", "'mel'"), testing::HasSubstr("condition \"perceiver\" or \"bilinear\""));
  EXPECT_THAT(error_with("84", "85"), testing::HasSubstr("semantic_channels is 85, its front end makes 84"));
}

TEST(PaperConfigs, ThoseThatAreShippedSayTheRecipe) {
  const std::filesystem::path folder = std::filesystem::path(FASTSAG_SOURCE) / "configs/train";
  const PartConfig paper = load_train_config(folder / "paper.toml").part.at("paper");
  EXPECT_EQ(paper.batch, 28);
  EXPECT_EQ(paper.learning_rate, 1e-4);
  EXPECT_EQ(paper.ema, 0);
  EXPECT_FALSE(paper.paper.paper_level);  // the code's definition made the published clips
  EXPECT_EQ(load_preset_file(paper.paper.preset).sizes.semantic_channels, 768);
  const PartConfig small = load_train_config(folder / "small.toml", {"paper.level=code"}).part.at("paper");
  EXPECT_FALSE(small.paper.paper_level);
  EXPECT_EQ(load_preset_file(small.paper.preset).sizes.unet_dim, 16);
  EXPECT_THROW(load_train_config(folder / "lite.toml", {"chord.level=code"}), Error);  // a key of the paper's part only
}

TEST(Prefetch, TheNextBatchIsReadyWhenItIsAskedFor) {
  std::atomic<int> made{0};
  Prefetch<int64_t> prefetch(
      [&](const BatchKey& key) {
        ++made;
        if (key.step == 9) throw Error("step 9 has no data");
        return key.step * 10;
      },
      2);
  EXPECT_EQ(prefetch.take({1, 0, 0}), 0);
  while (made < 3) std::this_thread::yield();  // two ahead, without being asked
  EXPECT_EQ(prefetch.take({1, 1, 0}), 10);
  EXPECT_LT(prefetch.share_waited(), .5);
  EXPECT_EQ(prefetch.take({1, 7, 0}), 70);
  EXPECT_EQ(prefetch.take({1, 8, 0}), 80);
  EXPECT_THROW(prefetch.take({1, 9, 0}), Error);
}

TEST(Clipping, GroupsAreClippedApartAndOthersNotAtAll) {
  struct Grouped : test::ToyPart {
    Grouped() : ToyPart("toy", test::toy_options(1)) { toy_options.clip = 1e-3; }
    std::vector<std::string> clipped() const override { return {"first.", "last.weight"}; }
  };
  torch::manual_seed(1);
  Group group;
  Trainee trainee(std::make_unique<Grouped>(), {}, 1, group);
  const std::atomic<bool> stop{false};
  trainee.train_step(stop);
  auto& net = static_cast<Grouped&>(trainee.part()).net;
  const double first =
      std::hypot(net->first->weight.grad().norm().item<double>(), net->first->bias.grad().norm().item<double>());
  EXPECT_NEAR(first, 1e-3, 1e-6);
  EXPECT_NEAR(net->last->weight.grad().norm().item<double>(), 1e-3, 1e-6);
  EXPECT_GT(net->last->bias.grad().norm().item<double>(), 2e-3);  // of no group
}

}  // namespace
}  // namespace fastsag::model
