#include "dsp/resampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <tuple>
#include <vector>

#include "dsp/error.h"

namespace fastsag::dsp {
namespace {

struct Rates {
  double from, to;
};

class ResamplerRates : public testing::TestWithParam<Rates> {
 protected:
  const double from = GetParam().from, to = GetParam().to;
};
INSTANTIATE_TEST_SUITE_P(Rates, ResamplerRates,
                         testing::Values(Rates{16000, 24000}, Rates{24000, 16000}, Rates{44100, 24000},
                                         Rates{24000, 44100}, Rates{48000, 24000}, Rates{24000, 48000},
                                         Rates{96000, 24000}, Rates{24000, 96000}, Rates{24000, 24000}),
                         [](const auto& rates) {
                           return std::to_string(static_cast<int>(rates.param.from)) + "_to_" +
                                  std::to_string(static_cast<int>(rates.param.to));
                         });

std::vector<float> noise(std::mt19937& random, size_t size) {
  std::uniform_real_distribution<float> any(-0.5f, 0.5f);
  std::vector<float> samples(size);
  for (float& sample : samples) sample = any(random);
  return samples;
}

TEST_P(ResamplerRates, LengthsAreExact) {
  std::mt19937 random(21);
  Resampler resampler(from, to);
  for (const int64_t size : {0, 1, 2, 7, 100, 1000, 4799, 12345}) {
    const auto in = noise(random, static_cast<size_t>(size));
    std::vector<float> out;
    for (size_t at = 0; at < in.size();) {
      const size_t count = std::min(in.size() - at, std::uniform_int_distribution<size_t>(0, 900)(random));
      resampler.process(std::span(in).subspan(at, count), out);
      at += count;
      ASSERT_EQ(resampler.consumed(), static_cast<int64_t>(at));
      ASSERT_EQ(resampler.produced(), std::ssize(out));
    }
    resampler.flush(out);
    ASSERT_EQ(std::ssize(out), std::llround(static_cast<double>(size) * to / from)) << size << " samples in";
    ASSERT_EQ(resampler.consumed(), 0) << "as new";
  }
}

TEST_P(ResamplerRates, BlocksDoNotMatter) {
  std::mt19937 random(22);
  const auto in = noise(random, 20000);
  const auto whole = resample(in, from, to);
  Resampler resampler(from, to);
  std::vector<float> parts;
  for (size_t at = 0; at < in.size();) {
    const size_t count = std::min(in.size() - at, std::uniform_int_distribution<size_t>(1, 700)(random));
    resampler.process(std::span(in).subspan(at, count), parts);
    at += count;
  }
  resampler.flush(parts);
  ASSERT_EQ(parts.size(), whole.size());
  for (size_t i = 0; i < whole.size(); ++i) ASSERT_NEAR(parts[i], whole[i], 1e-6) << i;
}

// An impulse has its centre of gravity at p * to / from, at the start of the stream as well as later.
TEST_P(ResamplerRates, PositionsAreKept) {
  for (const size_t position : {300u, 2000u, 4000u}) {
    std::vector<float> in(6000);
    in[position] = 1;
    const auto out = resample(in, from, to);
    double weight = 0, moment = 0;
    for (size_t i = 0; i < out.size(); ++i) {
      const double power = static_cast<double>(out[i]) * out[i];
      weight += power;
      moment += power * static_cast<double>(i);
    }
    EXPECT_NEAR(moment / weight, static_cast<double>(position) * to / from, 0.02);
  }
}

// The first sample too: what is at the very edge is not lost or moved.
TEST_P(ResamplerRates, AnImpulseAtTheEdgesStays) {
  std::vector<float> in(4800);
  in[0] = 1;
  auto out = resample(in, from, to);
  EXPECT_EQ(std::ranges::max_element(out) - out.begin(), 0);
  in[0] = 0;
  in[4799] = 1;
  out = resample(in, from, to);
  const double expected = std::min(4799 * to / from, static_cast<double>(out.size() - 1));
  EXPECT_NEAR(static_cast<double>(std::ranges::max_element(out) - out.begin()), expected,
              0.51 * std::max(1.0, to / from));
}

TEST_P(ResamplerRates, AToneStaysTheSameTone) {
  std::vector<float> in(static_cast<size_t>(from));
  const auto tone = [](double rate, size_t i) {
    return 0.5 * std::sin(2 * std::numbers::pi * 1000 * static_cast<double>(i) / rate);
  };
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(tone(from, i));
  const auto out = resample(in, from, to);
  const auto edge = static_cast<size_t>(to / 50);
  double worst = 0;
  for (size_t i = edge; i < out.size() - edge; ++i)
    worst = std::max(worst, std::abs(static_cast<double>(out[i]) - tone(to, i)));
  EXPECT_LT(20 * std::log10(worst / 0.5), -90) << "dB; it includes any shift in time, 1e-5 of a sample would be -88";
}

TEST_P(ResamplerRates, ThereAndBackIsTheSame) {
  std::mt19937 random(23);
  std::vector<float> in(24000);
  for (int partial = 0; partial < 20; ++partial) {  // below 6 kHz, which every one of these rates can carry
    const double hz = std::uniform_real_distribution<double>(50, 6000)(random);
    for (size_t i = 0; i < in.size(); ++i)
      in[i] += static_cast<float>(0.03 * std::sin(2 * std::numbers::pi * hz * static_cast<double>(i) / from + partial));
  }
  const auto back = resample(resample(in, from, to), to, from);
  ASSERT_EQ(back.size(), in.size());
  double error = 0, signal = 0;
  for (size_t i = 1000; i < in.size() - 1000; ++i) {
    error += std::pow(static_cast<double>(back[i]) - in[i], 2);
    signal += std::pow(static_cast<double>(in[i]), 2);
  }
  EXPECT_LT(10 * std::log10((error + 1e-30) / signal), -80);
}

TEST(Resampler, RefusesImpossibleRates) {
  EXPECT_THROW(Resampler(0, 24000), Error);
  EXPECT_THROW(Resampler(48000, -1), Error);
  EXPECT_THROW(Resampler(44100.5, 24000), Error) << "a piece begins where samples of both rates fall together";
  EXPECT_THROW(Resampler(1, 24000), Error) << "a ratio of 24000";
}

// libsoxr, told of an end, keeps some of the last samples of these to itself.
TEST(Resampler, TheEndIsNotLost) {
  for (const auto& [from, to, size] :
       {std::tuple(44100., 16000., 4800u), {96000., 24000., 1237u}, {48000., 8000., 1237u}}) {
    const auto out = resample(std::vector<float>(size, 0.5f), from, to);
    ASSERT_EQ(std::ssize(out), std::llround(size * to / from));
    for (size_t i = out.size() / 4; i < out.size() * 3 / 4; ++i) ASSERT_NEAR(out[i], 0.5, 0.02) << i << " of " << from;
    EXPECT_GT(out.back(), 0.2) << from << ": half of it lies before the end";
  }
}

// What a stream adds to the way from voice to ear.
TEST(Resampler, HoldsBackOnlyMilliseconds) {
  Resampler resampler(48000, 24000);
  std::vector<float> out;
  resampler.process(std::vector<float>(48000), out);
  EXPECT_LT(24000 - std::ssize(out), 24 * 6) << "less than 6 ms at 24 kHz";
}

}  // namespace
}  // namespace fastsag::dsp
