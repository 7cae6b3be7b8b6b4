#include "model/preset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "dsp/error.h"
#include "model/train/train_config.h"
#include "tests/support/error_of.h"
#include "tests/support/scratch.h"

namespace fastsag::model {
namespace {

using test::error_of;
using testing::HasSubstr;

std::string preset_error(const std::string& text) {
  const test::Scratch folder;
  std::ofstream(folder / "p.toml") << text;
  return error_of([&] { load_preset_file(folder / "p.toml"); });
}

TEST(Preset, TheOneThatIsShipped) {
  const std::filesystem::path folder = std::filesystem::path(FASTSAG_SOURCE) / "configs/presets";
  const Preset preset = load_preset("lite", folder);
  EXPECT_EQ(preset.name, "lite");
  EXPECT_EQ(preset.form, "lite");
  EXPECT_EQ(preset.weights, folder / "lite.safetensors");
  EXPECT_EQ(load_preset((folder / "lite.toml").string()).weights, preset.weights);
}

TEST(Preset, EveryMistakeIsToldWithItsLine) {
  const std::string error = preset_error(
      "form = \"lite\"\n"
      "weihgts = \"x\"\n"
      "[denoiser]\n"
      "steps = 2.5\n"
      "sigma_max = \"loud\"\n"
      "[vocoder]\n"
      "griffin_lim = -1\n"
      "colour = \"blue\"\n");
  EXPECT_THAT(error, HasSubstr("p.toml:2: unknown key weihgts; did you mean weights?"));
  EXPECT_THAT(error, HasSubstr("weights is missing"));
  EXPECT_THAT(error, HasSubstr("p.toml:4: denoiser.steps must be a whole number"));
  EXPECT_THAT(error, HasSubstr("p.toml:5: denoiser.sigma_max must be a number"));
  EXPECT_THAT(error, HasSubstr("p.toml:7: vocoder.griffin_lim is -1"));
  EXPECT_THAT(error, HasSubstr("p.toml:8: unknown key vocoder.colour; expected one of griffin_lim"));
}

TEST(Preset, FormsTypesAndSyntax) {
  EXPECT_THAT(preset_error("form = \"liet\"\nweights = \"x\"\n"), HasSubstr("p.toml:1: form is \"liet\""));
  EXPECT_THAT(preset_error("weights = \"x\"\n"), HasSubstr("form is missing"));
  EXPECT_THAT(preset_error("form = \"lite\"\nweights = \"x\"\ndenoiser = 3\n"), HasSubstr("must be a table"));
  EXPECT_THAT(preset_error("form = \"lite\"\nweights = \n"), HasSubstr("p.toml:2"));
  EXPECT_THAT(preset_error("form = \"lite\"\nweights = \"x\"\n[denoiser]\nsteps = nan\n"), HasSubstr("whole number"));
  EXPECT_THAT(preset_error("form = \"lite\"\nweights = \"x\"\n[denoiser]\nsigma_max = nan\n"),
              HasSubstr("sigma_max is"));
}

TEST(Preset, AWrongNameGivesTheNearestOne) {
  const std::filesystem::path folder = std::filesystem::path(FASTSAG_SOURCE) / "configs/presets";
  EXPECT_THAT(error_of([&] { load_preset("lit", folder); }), HasSubstr("did you mean lite?"));
  EXPECT_THAT(error_of([&] { load_preset("philharmonic", folder); }), HasSubstr("it holds lite"));
  EXPECT_THAT(error_of([&] { load_preset("../presets/lite", folder); }), HasSubstr("no preset"));
  EXPECT_THAT(error_of([&] { load_preset("nowhere.toml"); }), HasSubstr("nowhere.toml"));
}

TEST(TrainConfig, TheOneThatIsShippedTrainsEveryPart) {
  const auto config = load_train_config(std::filesystem::path(FASTSAG_SOURCE) / "configs/train/lite.toml");
  EXPECT_THAT(config.parts, testing::ElementsAre("beat", "chord", "note", "prior", "diffusion", "magnitude"));
  EXPECT_EQ(config.part.size(), 6u);
}

TEST(TrainConfig, TheCommandLineWins) {
  const test::Scratch folder;
  std::ofstream(folder / "t.toml") << "seed = 3\nparts = [\"chord\", \"note\"]\n[chord]\nsteps = 10\nbatch = 4\n";
  const auto config = load_train_config(
      folder / "t.toml", {"chord.steps=20", "note.learning_rate=1e-4", "storage=fp32", "parts=[\"chord\",\"note\"]"});
  EXPECT_EQ(config.seed, 3u);
  EXPECT_EQ(config.part.at("chord").steps, 20);
  EXPECT_EQ(config.part.at("chord").batch, 4);
  EXPECT_EQ(config.storage, Storage::fp32);
  const PartOptions options = config.part.at("note").applied_to({.steps = 7, .learning_rate = 1});
  EXPECT_EQ(options.learning_rate, 1e-4);
  EXPECT_EQ(options.steps, 7);
}

TEST(TrainConfig, MistakesAreToldWhereTheyStand) {
  const test::Scratch folder;
  std::ofstream(folder / "t.toml")
      << "parts = [\"chrod\", \"note\", \"note\"]\n[chord]\nlerning_rate = 1\n[note]\nema = 2\n";
  const std::string error = error_of([&] {
    load_train_config(folder / "t.toml", {"note.stepps=3", "prior.steps=many"});
  });
  EXPECT_THAT(error, HasSubstr("t.toml:1: parts names chrod; did you mean chord?"));
  EXPECT_THAT(error, HasSubstr("names note twice"));
  EXPECT_THAT(error, HasSubstr("t.toml:3: unknown key chord.lerning_rate; did you mean learning_rate?"));
  EXPECT_THAT(error, HasSubstr("t.toml:5: note.ema is 2"));
  EXPECT_THAT(error, HasSubstr("--set note.stepps=3:1: unknown key note.stepps; did you mean steps?"));
  EXPECT_THAT(error, HasSubstr("prior.steps must be a whole number"));
  EXPECT_THAT(error_of([&] { load_train_config(folder / "t.toml", {"steps"}); }), HasSubstr("expected key=value"));
  EXPECT_THAT(error_of([&] { load_train_config(folder / "absent.toml"); }), HasSubstr("absent.toml"));
}

}  // namespace
}  // namespace fastsag::model
