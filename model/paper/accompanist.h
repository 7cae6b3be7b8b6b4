#pragma once
// The paper's form end to end, live: voice -> features (MERT) -> condition -> prior mel -> EDM denoiser -> vocoder.
//
// The published model hears ten seconds and writes the accompaniment of those ten seconds, knowing of no mask. Here the
// ten seconds end where the writing ends:
//   - what was played before known_end is imposed while sampling: at each noise level those frames are replaced by what
//     was played, noised to that level (Lugmayr et al. 2022, RePaint, without its resampling), so the rest goes on from
//     it;
//   - voice that nobody has sung yet (`live`), or that is older than the song, is silence in the window, as a rest of
//   the
//     singer would be; the level is scaled by what was sung. Nothing was trained for such a tail, so `live` is weaker
//     the longer it is.
// Noise of a frame is a function of (seed, absolute frame): windows that overlap start from the same.
//
// Threads: as model/accompanist.h. Errors: weights that are missing or differ, at load; numbers that are none, with the
// block that made them, in generate().
#include <torch/torch.h>

#include "model/accompanist.h"
#include "model/nn/unet.h"
#include "model/paper/condition.h"
#include "model/paper/front_end.h"
#include "model/paper/vocoder.h"
#include "model/preset.h"

namespace fastsag::model {

class PaperAccompanist final : public Accompanist {
 public:
  PaperAccompanist(const Preset& preset, const AccompanistOptions& options);

  void prepare(int max_batch) override;
  void generate(std::span<const WindowRequest> requests, std::span<WindowResult> results) override;
  const Timing& last_timing() const override { return timing_; }
  int64_t window_samples() const override { return 10 * kSampleRate; }
  std::string_view preset() const override { return preset_.name; }
  bool has_plan() const override { return false; }

 private:
  struct Window;  // one room's ten seconds

  Window hear(const WindowRequest& request);
  torch::Tensor condition_of(const Window& window);                                // [100][frames]
  torch::Tensor prior(std::span<const Window> windows);                            // mu [B][100][width]
  torch::Tensor sample(std::span<const Window> windows, const torch::Tensor& mu);  // mel, the same

  Preset preset_;
  torch::Device device_;
  std::unique_ptr<FrontEnd> front_end_;
  Condition condition_;
  UNet unet_;
  std::unique_ptr<Vocoder> vocoder_;
  Timing timing_;
};

}  // namespace fastsag::model
