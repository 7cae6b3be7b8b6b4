// What a person can turn while it plays does what it says, with the shipped lite preset.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "model/lite/accompanist.h"
#include "tests/support/sung.h"

namespace fastsag::model {
namespace {

class Knobs : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    accompanist_ = new LiteAccompanist(load_preset("lite", FASTSAG_SOURCE "/configs/presets"), {.threads = 1});
    std::vector<test::SungNote> tune;
    for (int n = 0; n < 38; ++n)
      tune.push_back({.5 * n, .45, std::array{60., 64., 67., 65., 64., 62., 60., 67.}[static_cast<size_t>(n % 8)]});
    voice_ = test::sung(tune, 19);
  }
  static void TearDownTestSuite() { delete accompanist_; }

  struct Played {
    double notes = 0, velocity = 0, rms = 0;
  };
  // Nineteen seconds in two windows, the beats given: one every .5 s.
  static Played played(Controls controls) {
    controls.pulse = Pulse{.period = 12000, .confidence = 1};
    WindowResult first, second;
    const std::span<const float> voice(voice_);
    make({.voice = voice.first(240000), .voice_end = 240000, .write_end = 240000, .controls = controls}, first);
    make({.voice = voice.last(240000),
          .voice_end = 456000,
          .write_begin = 216000,
          .write_end = 456000,
          .known_end = 216000,
          .past = &first.plan,
          .controls = controls},
         second);
    Played all;
    for (const Note& note : second.plan.notes)
      if (note.channel == kPianoChannel && note.onset >= 216000) ++all.notes, all.velocity += note.velocity;
    all.velocity /= std::max(all.notes, 1.0);
    for (const float x : second.audio) all.rms += static_cast<double>(x) * x / static_cast<double>(second.audio.size());
    all.rms = std::sqrt(all.rms);
    return all;
  }
  static void make(const WindowRequest& request, WindowResult& result) {
    accompanist_->generate({&request, 1}, {&result, 1});
    ASSERT_EQ(result.error, "");
  }
  static inline LiteAccompanist* accompanist_ = nullptr;
  static inline std::vector<float> voice_;
};

TEST_F(Knobs, DensityIsHowManyNotesThereAre) {
  std::array<double, 3> notes{};
  for (uint64_t seed = 1; seed <= 6; ++seed)
    for (const int density : {-1, 0, 1})
      notes[static_cast<size_t>(density + 1)] +=
          played({.seed = seed, .density = static_cast<float>(density)}).notes / 6;
  std::printf("density -1, 0, 1: %.1f %.1f %.1f notes in 10 s\n", notes[0], notes[1], notes[2]);
  EXPECT_LT(1.2 * notes[0], notes[1]) << testing::PrintToString(notes) << " notes in 10 s, six seeds";
  EXPECT_LT(1.2 * notes[1], notes[2]) << testing::PrintToString(notes);
}

TEST_F(Knobs, LoudnessIsHowHardTheyAreStruck) {
  for (const Ensemble style : {Ensemble::piano, Ensemble::band}) {
    std::array<Played, 3> mean{};
    for (uint64_t seed = 1; seed <= 4; ++seed)
      for (const int loudness : {-1, 0, 1}) {
        const Played one = played({.seed = seed, .loudness = static_cast<float>(loudness), .style = style});
        Played& of = mean[static_cast<size_t>(loudness + 1)];
        of.velocity += one.velocity / 4, of.rms += one.rms / 4;
      }
    std::printf("loudness -1, 0, 1: velocity %.1f %.1f %.1f, rms %.4f %.4f %.4f\n", mean[0].velocity, mean[1].velocity,
                mean[2].velocity, mean[0].rms, mean[1].rms, mean[2].rms);
    for (size_t i : {0u, 1u}) {
      EXPECT_GT(mean[i + 1].velocity, mean[i].velocity + 6) << "10 more are added to what the generator writes";
      EXPECT_GT(mean[i + 1].rms, 1.12 * mean[i].rms) << "1 dB";
    }
  }
}

}  // namespace
}  // namespace fastsag::model
