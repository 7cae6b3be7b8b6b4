// What is no singing, through the shipped lite preset: noise, crowds, drums and speech get little or nothing, nobody
// gets numbers that are none or a burst.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numbers>
#include <random>

#include "model/lite/accompanist.h"
#include "tests/support/sung.h"

namespace fastsag::model {
namespace {

constexpr double kPi = std::numbers::pi, kLength_s = 20;
constexpr size_t kLength = static_cast<size_t>(kLength_s) * kSampleRate;
using Voice = std::vector<float>;

double seconds(size_t i) { return static_cast<double>(i) / kSampleRate; }

Voice at_level(Voice voice, double rms) {
  double power = 0;
  for (const float x : voice) power += static_cast<double>(x) * x / static_cast<double>(voice.size());
  for (float& x : voice) x *= static_cast<float>(power > 0 ? rms / std::sqrt(power) : 0);
  return voice;
}

// Each octave `db` below the one before it: 0 white, 3 pink.
Voice noise(double db, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gauss;
  Voice voice(kLength);
  for (float& x : voice) x = gauss(random);
  if (db == 0) return at_level(voice, .1);
  std::array<double, 3> state{};  // Kellet's pink filter
  for (float& x : voice) {
    state = {.99765 * state[0] + .0990460 * x, .96300 * state[1] + .2965164 * x, .57000 * state[2] + 1.0526913 * x};
    x = static_cast<float>(state[0] + state[1] + state[2] + .1848 * x);
  }
  return at_level(voice, .1);
}

void add(Voice& voice, double at_s, double length_s, const std::function<double(double)>& sound) {
  const auto begin = static_cast<size_t>(at_s * kSampleRate);
  for (size_t i = 0; begin + i < voice.size() && seconds(i) < length_s; ++i)
    voice[begin + i] += static_cast<float>(sound(seconds(i)));
}

// Kick, snare, hi-hat and toms at 110 beats a minute.
Voice drums() {
  Voice voice(kLength);
  std::mt19937 random(1);
  std::normal_distribution<double> gauss;
  const double beat = 60. / 110;
  for (int n = 0; n * beat < kLength_s; ++n) {
    if (n % 2 == 0)
      add(voice, n * beat, .4, [](double t) {
        return std::sin(2 * kPi * (50 * t + 70. / 30 * (1 - std::exp(-30 * t)))) * std::exp(-9 * t);
      });
    else
      add(voice, n * beat, .3,
          [&](double t) { return .6 * std::exp(-18 * t) * (gauss(random) + std::sin(2 * kPi * 190 * t)); });
    for (const double half : {0., .5})
      add(voice, (n + half) * beat, .1, [&](double t) { return .25 * gauss(random) * std::exp(-50 * t); });
    if (n % 8 == 7)
      for (const double sixteenth : {.25, .75})
        add(voice, (n + sixteenth) * beat, .5,
            [](double t) { return std::sin(2 * kPi * (110 * t + 3 * (1 - std::exp(-20 * t)))) * std::exp(-7 * t); });
  }
  return at_level(voice, .1);
}

// Four syllables a second: pitch falls over a phrase and glides in each, consonants of noise between, pauses.
Voice speech(unsigned seed, double hz) {
  std::mt19937 random(seed);
  std::normal_distribution<double> gauss;
  std::uniform_real_distribution<double> any(0, 1);
  Voice voice(kLength);
  double phase = 0;
  for (double at = any(random), begun = at; at < kLength_s - .5;) {
    const double vowel = .08 + .1 * any(random),
                 from = 4 * (at - begun > 2 ? -1 : -(at - begun) / 2) + 2 * gauss(random);
    const double glide = 2.5 * gauss(random);
    add(voice, at, vowel, [&](double t) {
      const double semitones = from + glide * t / vowel;
      phase += hz * std::exp2(semitones / 12) / kSampleRate;
      double tone = 0;
      for (int h = 1; h <= 12; ++h) tone += std::sin(2 * kPi * h * phase) / h;
      return .2 * tone * std::sin(kPi * t / vowel);
    });
    add(voice, at + vowel, .06, [&](double t) { return .1 * gauss(random) * std::sin(kPi * t / .06); });
    at += vowel + .03 + .08 * any(random);
    if (at - begun > 2.5) begun = at += .4;
  }
  return at_level(voice, .08);
}

Voice crowd() {
  Voice all(kLength);
  for (unsigned n = 0; n < 40; ++n) {
    const Voice one = speech(n + 1, 90 + 4.3 * n);
    for (size_t i = 0; i < kLength; ++i) all[i] += one[i];
  }
  return at_level(all, .1);
}

// Strings that are plucked (Karplus and Strong), two notes a second of a broken chord.
Voice guitar() {
  Voice voice(kLength);
  std::mt19937 random(1);
  std::uniform_real_distribution<double> any(-1, 1);
  constexpr std::array kKeys = {40, 47, 52, 56, 59, 64};
  for (int n = 0; n < 2 * static_cast<int>(kLength_s); ++n) {
    const double hz = 440 * std::exp2((kKeys[static_cast<size_t>(n) % kKeys.size()] - 69) / 12.);
    std::vector<double> string(static_cast<size_t>(kSampleRate / hz));
    for (double& x : string) x = any(random);
    size_t i = 0;
    add(voice, n / 2., 1.6, [&](double) {
      double& x = string[i % string.size()];
      const double now = x;
      x = .498 * (x + string[(i + 1) % string.size()]);
      ++i;
      return now;
    });
  }
  return at_level(voice, .1);
}

class HostileVoice : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    accompanist_ = new LiteAccompanist(load_preset("lite", FASTSAG_SOURCE "/configs/presets"), {.threads = 1});
  }
  static void TearDownTestSuite() { delete accompanist_; }

  // Notes a second; the sound is checked. Two windows, as one goes on from another.
  static double notes(const Voice& voice) {
    const Voice first(voice.begin(), voice.begin() + 240000), second(voice.begin() + 216000, voice.begin() + 456000);
    WindowRequest request{.voice = first, .voice_end = 240000, .write_end = 240000};
    WindowResult before = played(request);
    request = {.voice = second,
               .voice_end = 456000,
               .write_begin = 216000,
               .write_end = 456000,
               .known_end = 216000,
               .past = &before.plan};
    const WindowResult after = played(request);
    const auto in = [](const Plan& plan, int64_t begin, int64_t end) {
      return std::ranges::count_if(plan.notes, [=](const Note& n) { return n.onset >= begin && n.onset < end; });
    };
    return static_cast<double>(in(before.plan, 0, 216000) + in(after.plan, 216000, 456000)) / 19;
  }
  static WindowResult played(const WindowRequest& request) {
    WindowResult result;
    accompanist_->generate({&request, 1}, {&result, 1});
    EXPECT_EQ(std::ssize(result.audio), request.write_end - request.write_begin);
    for (const float x : result.audio)
      if (!(std::abs(x) < 1)) return ADD_FAILURE() << "a sample of " << x, result;
    return result;
  }
  static inline LiteAccompanist* accompanist_ = nullptr;
};

TEST_F(HostileVoice, NoiseSilenceHumOfTheMainsAndCrowdsGetNothing) {
  EXPECT_EQ(notes(noise(0)), 0) << "white";
  EXPECT_EQ(notes(noise(3)), 0) << "pink";
  EXPECT_EQ(notes(Voice(kLength)), 0) << "silence";
  EXPECT_EQ(notes(crowd()), 0);
  Voice mains(kLength);
  for (size_t i = 0; i < kLength; ++i)
    mains[i] = static_cast<float>(.003 * (std::sin(2 * kPi * 50 * seconds(i)) + std::sin(2 * kPi * 150 * seconds(i))));
  EXPECT_EQ(notes(mains), 0);
}

TEST_F(HostileVoice, DrumsGetNothingThoughTomsHaveAPitch) { EXPECT_EQ(notes(drums()), 0); }

TEST_F(HostileVoice, SpeechGetsFewNotes) {
  std::vector<test::SungNote> tune;
  for (int n = 0; n < 40; ++n)
    tune.push_back({.5 * n, .45, std::array{60., 62., 64., 67.}[static_cast<size_t>(n % 4)]});
  const double sung = notes(test::sung(tune, kLength_s));
  EXPECT_GT(sung, 1.5) << "a song";
  for (const double hz : {110., 200.}) EXPECT_LT(notes(speech(1, hz)), .4 * sung) << hz;
}

// A tune is a tune: whoever plays one gets what a singer gets (1.5 notes a second and more), and no more.
TEST_F(HostileVoice, APluckedInstrumentIsAccompaniedAsAVoiceIs) {
  const double played = notes(guitar());
  EXPECT_GT(played, 1.5);
  EXPECT_LT(played, 6);
}

TEST_F(HostileVoice, EverySampleAtFullScaleOrASingleOneDoesNoHarm) {
  Voice voice(kLength, 1.0f);
  notes(voice);
  for (size_t i = 0; i < kLength; ++i) voice[i] = i / 60 % 2 ? 1.0f : -1.0f;  // a square wave of 200 Hz
  notes(voice);
  voice.assign(kLength, 0);
  voice[100000] = 1;
  EXPECT_EQ(notes(voice), 0);
}

}  // namespace
}  // namespace fastsag::model
