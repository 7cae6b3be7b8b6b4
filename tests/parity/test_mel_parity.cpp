// dsp/mel.h against the reference front end, within the tolerances that were measured with it.
#include <gtest/gtest.h>

#include <optional>

#include "dsp/mel.h"
#include "tests/support/golden.h"
#include "tests/support/shared.h"

namespace fastsag::test {
namespace {

class MelParity : public testing::Test {
 protected:
  void SetUp() override {
    FASTSAG_NEEDS(Golden::path("mel_frontend"));
    golden_.emplace("mel_frontend");
    wave_ = (*golden_)["audio_i16"].values;
    for (float& x : wave_) x /= 32768;
  }

  std::optional<Golden> golden_;
  std::vector<float> wave_;
};

TEST_F(MelParity, Basis) {
  const auto& basis = (*golden_)["mel_basis"];
  // An input of the goldens, so it has no tolerance there: one unit in the last place of its largest weight (.029).
  expect_close(basis, dsp::mel_basis(), 2e-9, 2e-9, "mel_basis");
}

TEST_F(MelParity, Unscaled) {
  golden_->expect_close("mel_raw", dsp::mel(wave_));
  golden_->expect_close("mel_raw_4096", dsp::mel(std::span(wave_).subspan(48000, 4096)));
  const std::vector<float> mel = dsp::mel(std::span(wave_).subspan(48000, 72000));
  std::vector<float> every_8th;
  const size_t frames = mel.size() / dsp::kMelBands;
  for (size_t i = 0; i < mel.size(); ++i)
    if (i % frames % 8 == 0) every_8th.push_back(mel[i]);
  golden_->expect_close("mel_raw_72000", every_8th);
}

TEST_F(MelParity, Scaled) {
  dsp::minmax_scale(wave_);
  golden_->expect_close("scaled_100000", std::span(wave_).subspan(100000, 4096));

  std::vector<float> mel = dsp::mel(wave_);
  golden_->expect_close("mel", mel);
  dsp::normalise(mel);
  golden_->expect_close("mel_norm", mel);
  dsp::denormalise(mel);
  std::vector<float> first8;
  const size_t frames = mel.size() / dsp::kMelBands;
  for (size_t band = 0; band < dsp::kMelBands; ++band)
    first8.insert(first8.end(), mel.begin() + band * frames, mel.begin() + band * frames + 8);
  golden_->expect_close("mel_denorm_first8", first8);
}

}  // namespace
}  // namespace fastsag::test
