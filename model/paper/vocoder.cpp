#include "model/paper/vocoder.h"

#include "dsp/error.h"
#include "dsp/mel.h"
#include "model/checkpoint.h"
#include "model/lite/vocoder.h"
#include "model/paper/published.h"

namespace fastsag::model {
namespace {

// Renders what is asked for and no more of the window than that depends on. It has no phases to go on from: the
// timeline's crossfade joins.
class BigVganVocoder final : public Vocoder {
 public:
  BigVganVocoder(const Preset& preset, torch::Device device, bool plain, NetWay way)
      : net_(load_bigvgan(preset.vocoder.weights)), device_(device) {
    net_->to(device);
    if (!plain) net_->prepare(preset.precision == "bf16" ? torch::kBFloat16 : torch::kFloat, way);
  }
  std::vector<float> synthesize(const torch::Tensor& mel, int64_t first_frame, int64_t begin, int64_t end,
                                const dsp::Past&) override {
    const int64_t first = begin / dsp::kMelHop - first_frame, last = (end + dsp::kMelHop - 1) / dsp::kMelHop - first_frame;
    if (first < 0 || last > mel.size(0)) throw Error("the vocoder was asked for sound outside the window");
    const auto sound = net_->render(logarithm(mel.t().unsqueeze(0)).to(device_), first, last - first)
                           .flatten()
                           .to(torch::kCPU, torch::kFloat)
                           .contiguous();
    const float* from = sound.const_data_ptr<float>() + (begin - (first + first_frame) * dsp::kMelHop);
    return {from, from + (end - begin)};
  }
  torch::Tensor render(const torch::Tensor& mel) override { return net_->forward(logarithm(mel)).squeeze(1); }
  std::optional<int64_t> reach() const override { return net_->reach(); }

 private:
  static torch::Tensor logarithm(const torch::Tensor& mel) { return (mel + 1) / 2 * 14 - 12; }

  BigVgan net_;
  const torch::Device device_;
};

class LightVocoder final : public Vocoder {
 public:
  explicit LightVocoder(const Preset& preset) : vocoder_(net_, {.griffin_lim = preset.vocoder.griffin_lim}) {
    check_converted(preset.vocoder.weights, "lite's own, which come with this project");
    load_module(*net_, SafetensorsFile(preset.vocoder.weights), "magnitude");
    net_->eval();
  }
  std::vector<float> synthesize(const torch::Tensor& mel, int64_t first_frame, int64_t begin, int64_t end,
                                const dsp::Past& played) override {
    return vocoder_.synthesize(mel.to(torch::kCPU), first_frame, begin, end, played);
  }

 private:
  MagnitudeNet net_;
  LiteVocoder vocoder_;
};

}  // namespace

std::unique_ptr<Vocoder> load_vocoder(const Preset& preset, torch::Device device, bool plain, NetWay way) {
  if (preset.vocoder.kind == "bigvgan") return std::make_unique<BigVganVocoder>(preset, device, plain, way);
  return std::make_unique<LightVocoder>(preset);
}

}  // namespace fastsag::model
