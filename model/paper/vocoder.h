#pragma once
// Mel to sound for the paper's form: BigVGAN, or (beside a small model) the light vocoder.
//
// Units: as lite/vocoder.h. Sound has the level that the model was trained at.
// Errors: fastsag::Error where weights are missing or differ, or the mel does not cover the span asked for.
#include <torch/torch.h>

#include <memory>
#include <optional>
#include <vector>

#include "dsp/phase.h"
#include "model/nn/way.h"
#include "model/preset.h"

namespace fastsag::model {

class Vocoder {
 public:
  virtual ~Vocoder() = default;
  // mel [frames][100], normalised, from absolute frame `first_frame`, covering [begin, end).
  virtual std::vector<float> synthesize(const torch::Tensor& mel, int64_t first_frame, int64_t begin, int64_t end,
                                        const dsp::Past& played) = 0;
  // Of a batch, on the device: mel [B][100][frames], normalised, -> [B][256 frames]. Undefined where the vocoder works
  // on the host.
  virtual torch::Tensor render(const torch::Tensor&) { return {}; }
  // Frames on either side that a frame of render()'s sound depends on; none: it has no render().
  virtual std::optional<int64_t> reach() const { return {}; }
};

// plain, way: as PaperNetworks.
std::unique_ptr<Vocoder> load_vocoder(const Preset& preset, torch::Device device, bool plain = false,
                                      NetWay way = NetWay::own);

}  // namespace fastsag::model
