#include "dsp/semitone.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace fastsag::dsp {
namespace {

std::vector<float> sine(double key, double amplitude, size_t samples = 12000) {
  const double hz = 440 * std::exp2((key - 69) / 12);
  std::vector<float> wave(samples);
  for (size_t i = 0; i < samples; ++i)
    wave[i] = static_cast<float>(amplitude * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / 24000));
  return wave;
}

int loudest_key(std::span<const float> bands, int frames, int frame) {
  int best = 0;
  for (int band = 0; band < kSemitoneBands; ++band)
    if (bands[band * frames + frame] > bands[best * frames + frame]) best = band;
  return kSemitoneFirstKey + best;
}

TEST(Semitone, ASineAtEachAPeaksInItsBand) {
  for (int key = 33; key < 108; key += 12) EXPECT_EQ(loudest_key(semitones(sine(key, 0.1)), 11, 5), key);
}

TEST(Semitone, SoDoesEveryKeyThatTheTransformCanTell) {
  // Below C#2 (69 Hz) a semitone is less than .65 of a bin of 5.86 Hz: neighbours may win there.
  for (int key = 37; key < kSemitoneFirstKey + kSemitoneBands; ++key)
    for (const double detune : {-0.2, 0.0, 0.2})
      if (key >= 40 || detune == 0) {
        EXPECT_EQ(loudest_key(semitones(sine(key + detune, 0.1)), 11, 5), key) << "detuned by " << detune;
      }
}

TEST(Semitone, ReadsTheAmplitude) {
  // A4 at .1 peaks at 102.4 in the transform, its matched band reads 1.18 of that: .5 log10(1 + 10 * 121) = 1.54.
  EXPECT_NEAR(semitones(sine(69, 0.1))[(69 - 24) * 11 + 5], 1.54, 0.03);
  // 20 dB less is half a unit less, as long as 10 a is far above 1.
  EXPECT_NEAR(semitones(sine(69, 0.01))[(69 - 24) * 11 + 5], 1.04, 0.03);
  for (const float value : semitones(std::vector<float>(8192))) EXPECT_EQ(value, 0);
}

TEST(Semitone, FrameKIsCentredOnItsOwn1024Samples) {
  // A click in the middle of hop 6 is loudest there, and as loud one hop before as one after.
  std::vector<float> click(1024 * 12);
  click[6 * 1024 + 512] = 1;
  const std::vector<float> bands = semitones(click);
  ASSERT_EQ(bands.size(), 84u * 12);
  const float* a4 = &bands[(69 - 24) * 12];
  EXPECT_GT(a4[6], a4[5]);
  EXPECT_NEAR(a4[5], a4[7], 1e-5);
  EXPECT_EQ(a4[3], 0);  // the window reaches 2 hops to each side
}

}  // namespace
}  // namespace fastsag::dsp
