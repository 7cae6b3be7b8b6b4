#include "model/nn/note_generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "model/lite/chance.h"

namespace fastsag::model::note_generator_test {
namespace {

struct Setting {
  std::vector<StepChord> chords;
  dsp::Pooled<float> conditions;
  std::vector<int64_t> positions;
};

Setting setting() {
  Chance chance({3});
  Setting out;
  for (int step = 0; step < kWindowSteps; ++step)
    out.chords.push_back(step % 16 == 0 ? StepChord{chance.below(12), Quality::major} : out.chords.back());
  out.conditions = note_conditions({}, out.chords, {});
  out.positions.resize(kWindowSteps);
  std::iota(out.positions.begin(), out.positions.end(), 1000);
  return out;
}

NoteGenerator untrained() {
  torch::set_num_threads(1);
  torch::manual_seed(5);
  NoteGenerator net;
  net->eval();
  // Random weights chatter: an eager END keeps the steps of different lengths.
  torch::NoGradGuard no_grad;
  net->named_parameters()["to_interval.bias"][kEndOfStep] = 4;
  return net;
}

using Notes = dsp::Pooled<ScoreNote>;

TEST(NoteGenerator, StepsAreWrittenFromLowToHighOnThePiano) {
  auto net = untrained();
  const Setting s = setting();
  const Notes notes = net->sample(s.conditions, s.chords, {}, 0, 0, kWindowSteps, s.positions, {});
  ASSERT_GT(notes.size(), 40u);
  const auto place = [](const ScoreNote& note) { return std::pair(note.step, note.pitch); };
  EXPECT_EQ(std::ranges::adjacent_find(notes, std::ranges::greater_equal(), place), notes.end());  // and none twice
  for (size_t i = 0; i < notes.size(); ++i) {
    EXPECT_TRUE(notes[i].pitch >= kLowestPitch && notes[i].pitch <= kHighestPitch);
    if (i >= kNotesPerStep) {
      EXPECT_NE(notes[i - kNotesPerStep].step, notes[i].step);
    }
  }
}

// The heart of overlapping windows: going on from a prefix (read in one pass) is the same as having written it.
TEST(NoteGenerator, GoingOnFromItsOwnNotesIsTheSameAsWritingOn) {
  auto net = untrained();
  const Setting s = setting();
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const SamplingOptions options{.seed = seed};
    const Notes whole = net->sample(s.conditions, s.chords, {}, 20, 20, 60, s.positions, options);
    for (const int cut : {21, 33, 50}) {
      Notes first = net->sample(s.conditions, s.chords, {}, 20, 20, cut, s.positions, options);
      const Notes rest = net->sample(s.conditions, s.chords, first, 20, cut, 60, s.positions, options);
      first.insert(first.end(), rest.begin(), rest.end());
      EXPECT_EQ(first, whole) << "seed " << seed << ", cut " << cut;
    }
  }
}

TEST(NoteGenerator, ChanceIsTheSeedAndThePositionAndNothingElse) {
  auto net = untrained();
  const Setting s = setting();
  const auto with = [&](SamplingOptions options) {
    return net->sample(s.conditions, s.chords, {}, 0, 0, 32, s.positions, options);
  };
  EXPECT_EQ(with({.seed = 1}), with({.seed = 1}));
  EXPECT_NE(with({.seed = 1}), with({.seed = 2}));
  // With nothing but the likeliest left, chance has no say.
  EXPECT_EQ(with({.seed = 1, .top_p = 1e-6f}), with({.seed = 2, .top_p = 1e-6f}));
}

TEST(NoteGenerator, NoTokenSeesWhatComesAfterIt) {
  torch::NoGradGuard no_grad;
  auto net = untrained();
  const Setting s = setting();
  const Notes notes = net->sample(s.conditions, s.chords, {}, 0, 0, 32, s.positions, {});
  const auto conditions = torch::tensor(torch::ArrayRef<float>(s.conditions)).view({1, kWindowSteps, kNoteConditions});
  NoteTokens tokens = note_tokens(notes, s.chords, 0, 32);
  const auto count = tokens.step.size(1);
  const auto chosen = torch::zeros({1, count}, torch::kLong);
  const auto before = net->forward(conditions, tokens, chosen).interval;
  tokens.interval.narrow(1, count / 2, count - count / 2).fill_(7);
  const auto after = net->forward(conditions, tokens, chosen).interval;
  EXPECT_TRUE(torch::equal(before.narrow(1, 0, count / 2), after.narrow(1, 0, count / 2)));
  EXPECT_FALSE(torch::allclose(before.narrow(1, count / 2, 1), after.narrow(1, count / 2, 1)));
}

TEST(NoteGenerator, TokensOfAScore) {
  const std::vector<StepChord> chords(kWindowSteps, {2, Quality::major});
  const Notes notes = {{5, 50, 3, 1}, {5, 62, 4, 2}, {7, 57, 0, 0}};
  const NoteTokens tokens = note_tokens(notes, chords, 5, 8);
  const std::vector<int64_t> steps = {5, 5, 5, 6, 7, 7}, intervals = {kEndOfStep, 38, 50, kEndOfStep, kEndOfStep, 45};
  EXPECT_TRUE(torch::equal(tokens.step[0], torch::tensor(steps)));
  EXPECT_TRUE(torch::equal(tokens.interval[0], torch::tensor(intervals)));  // pitch - 2 - 10
}

TEST(NoteGenerator, IsAsSmallAsTheRecipeSays) {
  int64_t count = 0;
  for (const auto& p : NoteGenerator()->parameters()) count += p.numel();
  EXPECT_NEAR(static_cast<double>(count), 1.0e6, 0.05e6);
}

}  // namespace
}  // namespace fastsag::model::note_generator_test
