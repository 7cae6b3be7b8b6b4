#include "model/paper/front_end.h"

#include "dsp/semitone.h"
#include "model/nn/mert.h"
#include "model/paper/published.h"

namespace fastsag::model {
namespace {

// Of a frame's standard deviation: quieter ones fade to zero instead of becoming noise at full scale.
constexpr double kQuiet = 0.02;

class MertFrontEnd final : public FrontEnd {
 public:
  MertFrontEnd(const Preset::FrontEnd& preset, torch::Device device)
      : mert_(load_mert(preset.weights)), normalised_(preset.normalised), device_(device) {
    mert_->to(device);
  }
  torch::Tensor features(std::span<const float> wave) override {
    const auto audio =
        torch::from_blob(const_cast<float*>(wave.data()), {1, static_cast<int64_t>(wave.size())}).to(device_);
    return normalised_ ? mert_->embed(audio)[0] : mert_->forward(audio).back()[0];
  }

 private:
  Mert mert_;
  const bool normalised_;
  const torch::Device device_;
};

class SemitoneFrontEnd final : public FrontEnd {
 public:
  SemitoneFrontEnd(const Preset::FrontEnd& preset, torch::Device device)
      : normalised_(preset.normalised), device_(device) {}
  torch::Tensor features(std::span<const float> wave) override {
    return semitone_features(wave, normalised_).to(device_);
  }

 private:
  const bool normalised_;
  const torch::Device device_;
};

}  // namespace

torch::Tensor semitone_features(std::span<const float> wave, bool normalised) {
  std::vector<float> bands = dsp::semitones(wave);
  const auto frames = static_cast<int64_t>(bands.size()) / dsp::kSemitoneBands;
  torch::Tensor x = torch::from_blob(bands.data(), {dsp::kSemitoneBands, frames}).t().clone();
  if (!normalised) return x;
  x = x - x.mean(-1, true);
  return x / (x.std(-1, true, true) + kQuiet);
}

std::unique_ptr<FrontEnd> load_front_end(const Preset::FrontEnd& preset, torch::Device device) {
  if (preset.kind == "mert") return std::make_unique<MertFrontEnd>(preset, device);
  return std::make_unique<SemitoneFrontEnd>(preset, device);
}

}  // namespace fastsag::model
