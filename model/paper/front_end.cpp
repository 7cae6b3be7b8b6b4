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
  using FrontEnd::features;
  torch::Tensor heard(std::span<const float> wave) const override {  // a view: what it is put into copies it
    return torch::from_blob(const_cast<float*>(wave.data()), {std::ssize(wave)});
  }
  torch::Tensor features(const torch::Tensor& audio) override {
    return normalised_ ? mert_->embed(audio) : mert_->forward(audio).back();
  }
  torch::Device device() const override { return device_; }

 private:
  Mert mert_;
  const bool normalised_;
  const torch::Device device_;
};

class SemitoneFrontEnd final : public FrontEnd {
 public:
  SemitoneFrontEnd(const Preset::FrontEnd& preset, torch::Device device)
      : normalised_(preset.normalised), device_(device) {}
  using FrontEnd::features;
  torch::Tensor heard(std::span<const float> wave) const override { return semitone_features(wave, normalised_); }
  torch::Tensor features(const torch::Tensor& heard) override { return heard; }
  torch::Device device() const override { return device_; }

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
