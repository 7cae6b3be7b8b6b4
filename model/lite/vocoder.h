#pragma once
// The light vocoder: mel -> magnitudes (nn/magnitude_net.h) -> phases and samples (dsp/phase.h), guided by the notes
// where these are known (partials.h).
//
// Units: 24 kHz mono, positions in samples of the room's timeline; mel frame k is centred on sample 256 k + 128.
// Errors: Error where the mel does not cover the span asked for.
#include <torch/torch.h>

#include <vector>

#include "dsp/phase.h"
#include "model/nn/magnitude_net.h"
#include "model/plan.h"

namespace fastsag::model {

class LiteVocoder {
 public:
  // Frames of mel to give beyond either end of a span, as far as they are known; more is not used.
  static constexpr int64_t kContext = 24;

  explicit LiteVocoder(MagnitudeNet net, dsp::PhaseOptions phase = {}) : net_(std::move(net)), phase_(phase) {}

  // mel [frames][100], normalised, from absolute frame `first_frame`, covering [begin, end). `played` is the sound that
  // the samples must continue; those it already holds come back as they are. `notes`: those that the mel shows, if
  // known.
  std::vector<float> synthesize(const torch::Tensor& mel, int64_t first_frame, int64_t begin, int64_t end,
                                const dsp::Past& played = {}, std::span<const Note> notes = {}) const;
  // The same of a mel [frames][100] into `samples`, end - begin of them.
  void synthesize(std::span<const float> mel, int64_t first_frame, int64_t begin, const dsp::Past& played,
                  std::span<const Note> notes, std::span<float> samples) const;

 private:
  mutable MagnitudeNet net_;  // forward() of a torch module is not const
  dsp::PhaseOptions phase_;
};

}  // namespace fastsag::model
