#include "model/nn/note_renderer.h"

#include <gtest/gtest.h>

#include <random>

#include "model/lite/roll.h"

namespace fastsag::model {
namespace {

std::vector<Note> random_notes(uint64_t seed, int count, int64_t span) {
  std::mt19937_64 random(seed);
  std::vector<Note> notes;
  for (int i = 0; i < count; ++i) {
    const auto onset = static_cast<int64_t>(random() % static_cast<uint64_t>(span));
    notes.push_back({onset, onset + 1200 + static_cast<int64_t>(random() % 40000), 21 + static_cast<int>(random() % 88),
                     20 + static_cast<int>(random() % 100)});
  }
  return notes;
}

int64_t column(int pitch, int feature) { return (pitch - kFirstKey) * kKeyFeatures + feature; }

TEST(NoteRoll, AFrameDoesNotDependOnTheWindowItIsSeenIn) {
  const auto notes = random_notes(1, 200, 240000);
  const torch::Tensor whole = note_roll(notes, -20, 900), part = note_roll(notes, 313, 100);
  EXPECT_TRUE(torch::equal(whole.slice(0, 333, 433), part));
}

TEST(NoteRoll, TheOrderOfNotesDoesNotMatter) {
  auto notes = random_notes(2, 200, 100000);
  const torch::Tensor roll = note_roll(notes, 0, 400);
  std::ranges::shuffle(notes, std::mt19937_64(3));
  EXPECT_TRUE(torch::equal(roll, note_roll(notes, 0, 400)));
}

TEST(NoteRoll, AHeldKeyCarriesItsPowerAtEveryAge) {
  // The hats are a partition of one: their sum is the power (velocity / 80)^3.4 while the key is held.
  const torch::Tensor roll = note_roll(std::vector<Note>{{24000, 24000 * 6, 60, 40}}, 0, 500);
  const torch::Tensor sums = roll.narrow(1, column(60, 0), kAgeHats).sum(1);
  const double power = std::pow(.5, 3.4);
  EXPECT_NEAR(sums.slice(0, 95, 500).min().item<double>(), power, 1e-6);
  EXPECT_NEAR(sums.slice(0, 95, 500).max().item<double>(), power, 1e-6);
  // 24000 - 22 ms = sample 23472: the first frame centred after it is (23472 - 128) / 256 = 91.2, so 92.
  EXPECT_EQ(roll.slice(0, 0, 92).abs().sum().item<double>(), 0);
  EXPECT_GT(roll[92].abs().sum().item<double>(), 0);
  EXPECT_NEAR(roll.abs().sum().item<double>(), sums.sum().item<double>(), 1e-4);  // no other key
}

TEST(NoteRoll, HalfAFrameLaterMovesTheFeaturesByHalfAFrame) {
  // Linear hats: at an age between the knots .18 and .36 s the upper hat grows by dt / .18 a second.
  const auto upper = [](int64_t onset) {
    return note_roll(std::vector<Note>{{onset, onset + 48000, 60, 80}}, 0, 40)[25][column(60, 7)].item<double>();
  };
  // Frame 25 is centred on 6528 samples = 272 ms.
  EXPECT_NEAR(upper(0), (.272 - .18) / .18, 1e-5);
  EXPECT_NEAR(upper(0) - upper(128), 128.0 / 24000 / .18, 1e-5);
}

TEST(NoteRoll, ARestruckKeyForgetsTheEarlierNote) {
  const Note first{0, 48000, 60, 80}, second{24000, 48000, 60, 50};
  const torch::Tensor both = note_roll(std::vector<Note>{first, second}, 94, 60);
  EXPECT_TRUE(torch::equal(both, note_roll(std::vector<Note>{second}, 94, 60)));  // frame 94 is centred on 24192
}

TEST(NoteRoll, ReleaseFadesAndEnds) {
  const torch::Tensor roll = note_roll(std::vector<Note>{{0, 24000, 60, 80}}, 0, 200);
  const torch::Tensor release = roll.narrow(1, column(60, kAgeHats), kReleaseHats).sum(1);
  // Let go after 1 s: gain .5 / 1.15. 40 ms later (frame 97, centred on 1.040 s) all of it is release.
  EXPECT_NEAR(release[97].item<double>(), .5 / 1.15, 1e-5);
  EXPECT_EQ(roll[97].narrow(0, column(60, 0), kAgeHats).sum().item<double>(), 0);
  // .5 s after the release nothing is left: 1.5 s = frame 140.1.
  EXPECT_GT(roll[140].abs().sum().item<double>(), 0);
  EXPECT_EQ(roll.slice(0, 141, 200).abs().sum().item<double>(), 0);
}

TEST(NoteRoll, KeysOffThePianoAreLeftOut) {
  EXPECT_EQ(note_roll(std::vector<Note>{{0, 24000, 20, 80}, {0, 24000, 109, 80}}, 0, 50).abs().sum().item<double>(), 0);
}

TEST(NoteRenderer, IsOfTheSizeThatWasMeasured) {
  int64_t count = 0;
  NoteRenderer net;
  for (const auto& parameter : net->parameters()) count += parameter.numel();
  // Templates and background 132100, inputs 169088 + 12928, four blocks of 115712, output 12900.
  EXPECT_EQ(count, 789864);
}

TEST(NoteRenderer, StartsAsAHarmonicSeries) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(1);
  NoteRenderer net;
  const torch::Tensor roll = note_roll(std::vector<Note>{{0, 48000, 69, 80}}, 0, 100).unsqueeze(0);
  const auto [plain, mu] = net->forward(roll);
  ASSERT_EQ(mu.sizes(), (std::vector<int64_t>{1, 100, 100}));
  EXPECT_TRUE(torch::equal(plain, mu));  // the correction starts at nothing
  // A4 = 440 Hz: mel bands are 34.5 Hz apart below 1 kHz, so band 12 (centre 448 Hz) rings, and by much more than
  // band 18 between the first and the second partial.
  const torch::Tensor frame = plain[0][20];
  EXPECT_EQ(frame.slice(0, 0, 20).argmax().item<int64_t>(), 12);
  EXPECT_GT((frame[12] - frame[18]).item<double>(), .2);
  // Silence is the background: ln = -11, normalised -0.857.
  EXPECT_NEAR(net->forward(torch::zeros({1, 4, kRollWidth})).plain.mean().item<double>(), (-11.0 + 12) / 7 - 1, 1e-5);
}

TEST(NoteRenderer, TwoNotesAddTheirPowers) {
  torch::NoGradGuard no_grad;
  NoteRenderer net;
  const auto plain = [&](std::vector<Note> notes) { return net->forward(note_roll(notes, 20, 1).unsqueeze(0)).plain; };
  const auto power = [](const torch::Tensor& mel) { return torch::exp(2 * ((mel + 1) * 7 - 12)); };
  const Note a{0, 48000, 45, 80}, b{0, 48000, 52, 60};
  const torch::Tensor background = power(plain({}));
  const torch::Tensor sum = power(plain({a})) + power(plain({b})) - background;
  EXPECT_LT(((power(plain({a, b})) - sum).abs() / sum).max().item<double>(), 1e-3);
}

TEST(NoteRenderer, LearnsALouderBackgroundWithinAFewSteps) {
  // Templates move kTemplateGain times as fast as the learning rate: 50 Adam steps of .002 are 1.5 in ln power.
  NoteRenderer net;
  torch::optim::Adam adam(net->parameters(), torch::optim::AdamOptions(.002));
  const torch::Tensor roll = torch::zeros({1, 1, kRollWidth});
  const double before = net->forward(roll).plain.mean().item<double>();
  for (int i = 0; i < 50; ++i) {
    adam.zero_grad();
    (net->forward(roll).plain - 1).square().mean().backward();
    adam.step();
  }
  EXPECT_NEAR(net->forward(roll).plain.mean().item<double>() - before, 1.5 / 2 / 7, .01);
}

TEST(MixMels, PowersAdd) {
  const torch::Tensor mel = torch::rand({2, 3, 100}) - .5;
  // Twice the power is 3.01 dB, .3466 nepers, .0495 of the normalised mel.
  EXPECT_LT((mix_mels({mel, mel}, {0, 0}) - mel - .3466 / 7).abs().max().item<double>(), 1e-5);
  EXPECT_LT((mix_mels({mel}, {-6.0206}) - mel + .6931 / 7).abs().max().item<double>(), 1e-5) << "half the amplitude";
  EXPECT_LT((mix_mels({mel, mel - 1}, {0, 0}) - mel).abs().max().item<double>(), 1e-6) << "61 dB below: nothing";
}

TEST(MixMels, InPlaceIsTheSame) {
  torch::manual_seed(2);
  const std::vector<double> levels = {0, -3, 2};
  std::vector<torch::Tensor> tensors;
  std::vector<dsp::Pooled<float>> rows;
  for (size_t i = 0; i < levels.size(); ++i) {
    tensors.push_back(torch::rand({7, 100}) * 1.9 - 1);
    rows.emplace_back(tensors.back().const_data_ptr<float>(), tensors.back().const_data_ptr<float>() + 700);
  }
  const torch::Tensor truth = mix_mels(tensors, levels).contiguous();
  mix_mels(rows, levels, rows.front());
  for (size_t i = 0; i < 700; ++i) EXPECT_NEAR(rows.front()[i], truth.const_data_ptr<float>()[i], 2e-6);
}

}  // namespace
}  // namespace fastsag::model
