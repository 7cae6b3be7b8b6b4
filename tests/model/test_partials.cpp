#include "model/lite/partials.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <numbers>

#include "dsp/mel.h"
#include "model/ensemble.h"

namespace fastsag::model {
namespace {

constexpr int64_t kFrames = 190, kFirst = 100;                        // two seconds
constexpr int64_t kBegin = kFirst * dsp::kMelHop - dsp::kMelPad;      // of the samples that these cover
constexpr float kTone = 0.1f, kMagnitude = kTone * dsp::kMelFft / 4;  // of a tone of that amplitude

Note key(int pitch, int64_t onset, int64_t release, int channel = kPianoChannel) {
  return {.onset = onset, .release = release, .pitch = pitch, .velocity = 80, .channel = channel};
}

std::vector<float> flat() { return std::vector<float>(kFrames * dsp::kMelBins, kMagnitude); }

// Amplitude of a tone in a second of the wave from `from` (absolute) on.
double amplitude(std::span<const float> wave, double hz, int64_t from) {
  std::complex<double> sum = 0;
  for (int64_t n = 0; n < kSampleRate; ++n) {
    const double turn = 2 * std::numbers::pi * static_cast<double>(n) / kSampleRate;
    sum += static_cast<double>(wave[static_cast<size_t>(from - kBegin + n)]) * (1 - std::cos(turn)) *
           std::polar(1.0, -hz * turn);
  }
  return 2 * std::abs(sum) / kSampleRate;
}

TEST(Partials, LieWhereAStiffStringHasThem) {
  const Note note = key(57, kBegin - 3000, kBegin + 60000);  // A3, 220 Hz
  const auto wave = partials_of({&note, 1}, flat(), kFirst);
  ASSERT_EQ(std::ssize(wave), (kFrames - 1) * dsp::kMelHop + dsp::kMelFft);
  // B = 2.5e-4: the tenth partial is 1.2 % sharp, 27 Hz.
  EXPECT_NEAR(amplitude(wave, 220 * std::sqrt(1 + 2.5e-4), kBegin + 12000), kTone, .005);
  EXPECT_NEAR(amplitude(wave, 2200 * std::sqrt(1 + 2.5e-2), kBegin + 12000), kTone, .01);
  EXPECT_LT(amplitude(wave, 2200, kBegin + 12000), .01);
  EXPECT_LT(amplitude(wave, 330, kBegin + 12000), .005);
}

TEST(Partials, BeginWithTheirNoteAndNoOneElse) {
  const int64_t onset = kBegin + 20000;
  const Note note = key(60, onset, kBegin + 60000);
  const auto wave = partials_of({&note, 1}, flat(), kFirst);
  for (int64_t n = kBegin; n < onset; ++n) ASSERT_EQ(wave[static_cast<size_t>(n - kBegin)], 0) << n;
  double power = 0;
  for (int64_t n = onset; n < onset + 2400; ++n) power += std::pow(wave[static_cast<size_t>(n - kBegin)], 2) / 2400;
  EXPECT_GT(std::sqrt(power), kTone);  // nineteen partials of kTone each
  const Note drum = key(60, kBegin, kBegin + 40000, kDrumsChannel);
  for (const float x : partials_of({&drum, 1}, flat(), kFirst)) ASSERT_EQ(x, 0);
}

TEST(Partials, OfOneBinShareWhatItHolds) {
  // A fifth: the third partial of the lower string is the second of the upper one, 2 Hz apart.
  const std::vector<Note> fifth = {key(48, kBegin - 3000, kBegin + 60000), key(55, kBegin - 3000, kBegin + 60000)};
  const auto wave = partials_of(fifth, flat(), kFirst);
  double power = 0, alone = 0;
  for (int64_t n = kBegin + 12000; n < kBegin + 36000; ++n) power += std::pow(wave[static_cast<size_t>(n - kBegin)], 2);
  for (int i = 0; i < 2; ++i) {
    const auto one = partials_of({&fifth[static_cast<size_t>(i)], 1}, flat(), kFirst);
    for (int64_t n = kBegin + 12000; n < kBegin + 36000; ++n)
      alone += std::pow(one[static_cast<size_t>(n - kBegin)], 2);
  }
  EXPECT_LT(power, .9 * alone);
}

TEST(Partials, OverlappingWindowsAgree) {
  const std::vector<Note> notes = {key(48, kBegin - 9000, kBegin + 30000), key(64, kBegin + 9000, kBegin + 70000)};
  const auto early = partials_of(notes, flat(), kFirst), late = partials_of(notes, flat(), kFirst + 40);
  for (int64_t n = kBegin + 40 * dsp::kMelHop + dsp::kMelFft; n < kBegin + kFrames * dsp::kMelHop - dsp::kMelFft; ++n)
    ASSERT_NEAR(early[static_cast<size_t>(n - kBegin)], late[static_cast<size_t>(n - kBegin - 40 * dsp::kMelHop)], 1e-4)
        << n;
}

TEST(Partials, NothingKnownNothingSaid) {
  EXPECT_TRUE(partials_of({}, {}, 0).empty());
  const std::vector<Note> off = {key(0, kBegin, kBegin + 40000), key(127, kBegin, kBegin + 40000)};  // no such keys
  for (const float x : partials_of(off, flat(), kFirst)) ASSERT_EQ(x, 0);
}

}  // namespace
}  // namespace fastsag::model
