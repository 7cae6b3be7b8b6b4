#include "model/lite/chord_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/lite/chance.h"
#include "model/lite/steps.h"

namespace fastsag::model {
namespace {

std::vector<float> random_p(size_t rows, Chance& chance) {
  std::vector<float> out(rows * kTriads);
  for (size_t row = 0; row < rows; ++row) {
    float sum = 0;
    for (size_t k = 0; k < kTriads; ++k) sum += out[row * kTriads + k] = std::exp(static_cast<float>(chance.normal(2)));
    for (size_t k = 0; k < kTriads; ++k) out[row * kTriads + k] /= sum;
  }
  return out;
}

float score(const std::vector<float>& p, const std::vector<int>& path, const ChordPathOptions& options) {
  float sum = 0;
  for (size_t i = 0; i < path.size(); ++i) {
    sum += options.evidence * std::log(p[i * kTriads + static_cast<size_t>(path[i])]);
    if (i > 0 && path[i] != path[i - 1]) sum -= options.change;
  }
  return sum;
}

TEST(ChordPath, NoOtherPathIsBetter) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    Chance chance({seed});
    const ChordPathOptions options{.evidence = 1, .relative = 0, .change = static_cast<float>(chance.uniform(0, 6))};
    const auto p = random_p(3, chance);
    const auto path = chord_path(p, std::vector<int>(3, -1), options).triads;
    const float best = score(p, {path.begin(), path.end()}, options);
    for (int a = 0; a < kTriads; ++a)  // all 24^3 of them
      for (int b = 0; b < kTriads; ++b)
        for (int c = 0; c < kTriads; ++c) ASSERT_LE(score(p, {a, b, c}, options), best + 1e-4f);
  }
}

TEST(ChordPath, ChordsThatWerePlayedStay) {
  Chance chance({7});
  const auto p = random_p(24, chance);
  std::vector<int> held(24, -1);
  for (size_t beat = 0; beat < 16; ++beat) held[beat] = chance.below(kTriads);
  const auto path = chord_path(p, held);
  for (size_t beat = 0; beat < 16; ++beat) EXPECT_EQ(path.triads[beat], held[beat]);
  for (size_t beat = 16; beat < 24; ++beat)
    EXPECT_THAT(path.triads[beat], testing::AllOf(testing::Ge(0), testing::Lt(kTriads)));
}

TEST(ChordPath, FreeBeatsHaveAllowedTriadsOnly) {
  Chance chance({8});
  const auto p = random_p(24, chance);
  std::vector<int> held(24, -1);
  held[0] = held[10] = 5;
  const auto path = chord_path(p, held, {.change = 0, .allowed = 1u << 2 | 1u << 17});
  for (size_t beat = 0; beat < 24; ++beat)
    EXPECT_THAT(path.triads[beat], held[beat] >= 0 ? testing::AnyOf(5, 5) : testing::AnyOf(2, 17)) << beat;
}

TEST(ChordPath, WhatIsDaredIsChosenWhereBeatsAreFree) {
  Chance chance({9});
  const auto p = random_p(8, chance);
  std::vector<int> held(8, -1);
  held[2] = 5;
  std::vector<float> daring(8 * kTriads, 0);
  for (size_t beat = 0; beat < 8; ++beat) daring[beat * kTriads + 11] = 50;
  const auto path = chord_path(p, held, {.daring = daring});
  for (size_t beat = 0; beat < 8; ++beat) EXPECT_EQ(path.triads[beat], beat == 2 ? 5 : 11);
  EXPECT_NEAR(path.confidence[0], p[11], 1e-6) << "the net's opinion stays";
}

TEST(ChordPath, OneDoubtfulBeatIsNoChange) {
  std::vector<float> p(8 * kTriads, 0.3f / 22);
  for (size_t beat = 0; beat < 8; ++beat) {
    p[beat * kTriads + 4] = beat == 3 ? 0.3f : 0.6f;
    p[beat * kTriads + 9] = beat == 3 ? 0.4f : 0.1f;
  }
  // Going there and back costs 2, what is gained is 2 ln(.4 / .3) = .58.
  EXPECT_EQ(chord_path(p, std::vector<int>(8, -1)).triads, std::vector<int>(8, 4));
  const auto free = chord_path(p, std::vector<int>(8, -1), {.change = 0});
  EXPECT_EQ(free.triads[3], 9);
  EXPECT_NEAR(free.confidence[3], 0.4, 1e-5);
  EXPECT_NEAR(free.confidence[0], 0.6, 1e-5);
}

TEST(ChordPath, WhereNothingIsSureATriadNearTheOthersIsBetter) {
  std::vector<float> p(kTriads, 0.01f);
  p[2 * 6] = 0.2f;       // F sharp, alone
  p[2 * 0] = 0.18f;      // C ...
  p[2 * 9 + 1] = 0.18f;  // ... and A minor, which share two notes
  p[2 * 4 + 1] = 0.18f;  // ... and E minor
  EXPECT_EQ(chord_path(p, std::vector<int>(1, -1)).triads[0], 0);
  EXPECT_EQ(chord_path(p, std::vector<int>(1, -1), {.relative = 0}).triads[0], 12);
}

}  // namespace
}  // namespace fastsag::model
