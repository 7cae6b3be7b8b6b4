#pragma once
// The lite preset end to end: voice -> melody and pulse (front end) -> chords and notes (semantic block) -> mel (prior,
// rendered from the notes; refined by the EDM denoiser where the preset asks for it) -> samples (vocoder).
//
// Threads: as model/accompanist.h.
#include <optional>

#include "dsp/f0.h"
#include "model/accompanist.h"
#include "model/lite/semantic.h"
#include "model/lite/vocoder.h"
#include "model/nn/denoiser.h"
#include "model/nn/note_renderer.h"
#include "model/preset.h"

namespace fastsag::model {

// Melody and pulse of one window of voice.
struct Heard {
  dsp::Pooled<dsp::MelodyNote> melody;  // of the window
  dsp::Pooled<dsp::MelodyNote> sung;    // with what the past plan remembers
  int64_t sung_from = 0;
  float singer_db = dsp::kNobody;  // the same for how loud it was
  float tuning = 0;
  Pulse pulse;
  bool given = false;  // the pulse, by a person: its beats stay where they are
};
// Of the room: frames that two windows hear are measured once.
struct LiteMemory final : RoomMemory {
  dsp::F0Memory f0;
};
// `memory` becomes this window's.
Heard listen(const WindowRequest& request, LiteMemory& memory);

class LiteAccompanist final : public Accompanist {
 public:
  LiteAccompanist(const Preset& preset, const AccompanistOptions& options);

  void prepare(int max_batch) override;
  void generate(std::span<const WindowRequest> requests, std::span<WindowResult> results) override;
  const Timing& last_timing() const override { return timing_; }
  int64_t window_samples() const override { return 10 * kSampleRate; }
  int best_batch() const override { return threads_; }
  std::string_view preset() const override { return preset_.name; }
  bool can_play(Ensemble ensemble) const override;

 private:
  struct Frames {
    int64_t first = 0, count = 0;
  };
  static Frames frames_of(const WindowRequest& request);
  struct Further {
    Instrument instrument;
    NoteRenderer renderer{NoteRendererImpl::kSmallChannels};
  };
  // What comes after the mix: for the piano alone, and for all else. Weights without a band's own: no denoiser, and the
  // piano's vocoder.
  struct Finish {
    Denoiser denoiser;
    MagnitudeNet magnitude_net;
    std::optional<DenoiserWalk> walk;  // the denoiser's, once packed
  };
  void pack(Precision precision);  // for speed
  // Of one room; from several threads at once.
  void play(const WindowRequest& request, WindowResult& result, Timing& timing);
  // What to play to what is heard; `plan` is written over.
  void compose(const WindowRequest& request, LiteMemory& memory, Plan& plan, Timing& timing);
  dsp::Pooled<float> render_notes(const Plan& plan, const Frames& frames);  // mel [frames][100]
  EdmOptions edm_options(const Finish& finish) const;
  void refine(const WindowRequest& request, const Frames& frames, std::span<float> mel) const;

  Preset preset_;
  const int threads_;
  const bool plain_;  // nothing packed, nothing remembered
  LiteSemantic semantic_;
  NoteRenderer renderer_;         // of the piano
  std::vector<Further> further_;  // of the other instruments that the weights have
  const Finish& finish_of(const WindowRequest& request) const {
    return can_play(request.controls.style) && request.controls.style != Ensemble::piano ? band_ : piano_;
  }
  Finish piano_, band_;
  Timing timing_;
};

}  // namespace fastsag::model
