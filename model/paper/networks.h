#pragma once
// The networks of the paper's form, loaded, as functions of a batch: what a window runs through, on whichever device.
// Nothing in them asks the device for a value, so that a CUDA graph can hold them (device_graph.h).
//
// Shapes: PaperInputs.
// Errors: weights that are missing or differ, at load.
#include <torch/torch.h>

#include <memory>
#include <optional>
#include <span>

#include "model/nn/unet_walk.h"
#include "model/paper/condition.h"
#include "model/paper/front_end.h"
#include "model/preset.h"

namespace fastsag::model {

// Of B windows, on the networks' device. What is undefined is not asked for.
struct PaperInputs {
  torch::Tensor heard;         // what FrontEnd::heard() leaves of the voice, [B][..]
  torch::Tensor mel;           // of the voice [B][bands][frames], for the conditions that want it
  torch::Tensor noise;         // [B][width][bands], N(0, 1)
  torch::Tensor known;         // mel of what was played [B][bands][width]
  torch::Tensor known_frames;  // [B][1][width], 1 where it is known
};

struct PaperMade {
  torch::Tensor features, translated;  // [B][T1][channels]; undefined where the condition is the mel alone
  torch::Tensor mu, mel;               // [B][bands][width]
};

// Throws fastsag::Error that names the first block whose numbers are none.
void check_finite(const PaperMade& made);

class PaperNetworks {
 public:
  // plain: an operator at a time, as LibTorch has them (AccompanistOptions). On a GPU the walk from noise to mel is
  // UNetWalk's, in bfloat16 or TF32 by the preset; NetWay::gpu: on the CPU too.
  PaperNetworks(const Preset& preset, torch::Device device, bool plain = false, NetWay way = NetWay::own);

  bool wants_features() const { return preset_.condition != "mel"; }
  bool wants_mel() const { return preset_.condition != "perceiver" && preset_.condition != "bilinear"; }
  torch::Tensor heard(std::span<const float> wave) const {
    return front_end_->heard(wave);
  }  // of one window, on the host

  // In their order; each reads what those before it made.
  void hear(const PaperInputs& inputs, PaperMade& made);       // features
  void condition(const PaperInputs& inputs, PaperMade& made);  // translated, mu
  void sample(const PaperInputs& inputs, PaperMade& made);     // mel

  int steps() const { return preset_.denoiser.steps; }
  void set_steps(int steps) { preset_.denoiser.steps = steps; }

 private:
  Preset preset_;
  torch::Device device_;
  std::unique_ptr<FrontEnd> front_end_;
  Condition condition_;
  UNet unet_;
  std::optional<UNetWalk> walk_;  // on a GPU
  torch::Tensor mask_;            // [1][1][width]: the window's frames
};

}  // namespace fastsag::model
