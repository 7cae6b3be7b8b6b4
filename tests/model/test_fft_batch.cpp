#include "model/fft_batch.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fastsag::model::fft_batch_test {
namespace {

constexpr int kSize = 1024;

// 32 + 4 + 1 frames, by as many plans: kissfft's numbers, and the frames again. Two roundings of floats differ by less
// than 1e-5 of a sum whose values reach 100.
TEST(TorchFftBatch, IsTheSameTransformAsOneFrameAtATime) {
  for (const size_t frames : {1u, 37u}) {
    std::mt19937 random(4);
    std::normal_distribution<float> gauss;
    std::vector<float> time(frames * kSize), back(time.size());
    for (float& x : time) x = gauss(random);
    const dsp::Fft one(kSize);
    const auto bins = static_cast<size_t>(one.bins());
    std::vector<std::complex<float>> spectra(frames * bins), expected(bins);
    TorchFftBatch all(kSize);
    all.forward(time, spectra);
    for (size_t k = 0; k < frames; ++k) {
      one.forward(std::span(time).subspan(k * kSize, kSize), expected);
      for (size_t bin = 0; bin < bins; ++bin) ASSERT_LT(std::abs(spectra[k * bins + bin] - expected[bin]), 1e-3f);
    }
    const auto kept = spectra;
    all.inverse(spectra, back);
    for (size_t i = 0; i < time.size(); ++i) ASSERT_NEAR(back[i], time[i], 1e-5f);
    EXPECT_EQ(spectra, kept) << "what is transformed back stays as it was";
  }
}

}  // namespace
}  // namespace fastsag::model::fft_batch_test
