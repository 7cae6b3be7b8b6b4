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
// On a GPU a window is a replay of CUDA graphs (paper/batches.h); on the CPU, and with options.plain, an operator at a
// time.
//
// Threads: as model/accompanist.h. Errors: weights that are missing or differ, a device that is not there or too small,
// at load; numbers that are none, with the block that made them, of a window (thrown where all windows of a batch are
// so made), and DeviceError, in generate().
#include <memory>

#include "model/accompanist.h"
#include "model/device_graph.h"
#include "model/paper/batches.h"
#include "model/paper/networks.h"
#include "model/paper/vocoder.h"
#include "model/paper/window.h"
#include "model/preset.h"

namespace fastsag::model {

class PaperAccompanist final : public Accompanist {
 public:
  // stream: where graphs are recorded, in place of the device's own; for tests.
  PaperAccompanist(const Preset& preset, const AccompanistOptions& options,
                   std::unique_ptr<GraphStream> stream = nullptr);

  void prepare(int max_batch) override;
  void generate(std::span<const WindowRequest> requests, std::span<WindowResult> results) override;
  const Timing& last_timing() const override { return timing_; }
  int64_t window_samples() const override { return 10 * kSampleRate; }
  int best_batch() const override { return batches_ ? batches_->most() : 1; }
  DeviceStatus device_status() const override;
  std::string_view preset() const override { return preset_.name; }
  bool has_plan() const override { return false; }

 private:
  void write(std::span<const PaperWindow> windows, std::span<PaperSound> sounds);
  PaperInputs inputs(std::span<const PaperWindow> windows) const;

  const Preset preset_;
  const torch::Device device_;
  PaperNetworks networks_;
  std::unique_ptr<Vocoder> vocoder_;
  std::unique_ptr<GraphStream> stream_;
  std::unique_ptr<PaperBatches> batches_;  // where there is a stream
  Timing timing_;
  int64_t eager_ = 0;
};

}  // namespace fastsag::model
