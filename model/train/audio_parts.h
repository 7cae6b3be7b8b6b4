#pragma once
// The parts of the lite model that are trained on sound: prior (notes -> mel), diffusion (what the prior leaves), and
// the magnitude net of the vocoder. All need the corpus rendered.
//
// Losses. prior: MSE + .1 L1 + .5 MSE of the templates alone; the paper's -ln N(y; mu, 1) is half the first term plus a
// constant, so both have the same minimum. diffusion: EDM's weighted MSE, residual form, mu detached. magnitude: what
// an ear would notice first at each level: quiet bins by their logarithm, loud ones by their share.
//
// diffusion and magnitude come after the mix. They are for the piano alone; "diffusion_band" and "magnitude_band" are
// the same networks for all ensembles.
#include <memory>

#include "model/edm.h"
#include "model/nn/denoiser.h"
#include "model/nn/magnitude_net.h"
#include "model/nn/note_renderer.h"
#include "model/train/mixes.h"
#include "model/train/part.h"

namespace fastsag::model {

class PriorPart : public NetPart<NoteRenderer, AudioSplits> {
 public:
  explicit PriorPart(SharedAudio audio, int64_t batch = 8) : NetPart("prior", std::move(audio), batch) {}
  // Of one of kFurtherInstruments: part "prior_bass" and so on.
  PriorPart(SharedAudio audio, const Instrument& instrument, int64_t batch = 8)
      : NetPart("prior_" + std::string(instrument.name), std::move(audio), batch,
                NoteRenderer(NoteRendererImpl::kSmallChannels)) {}
  PartOptions options() const override;
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  std::map<std::string, double> validate() override;
};

class DiffusionPart : public NetPart<Denoiser, Mixes> {
 public:
  // Renderers by channel are used as they are, and never changed: load them, or share PriorPart's.
  using Renderers = std::map<int, NoteRenderer>;
  DiffusionPart(std::shared_ptr<const Mixes> mixes, Renderers renderers, EdmOptions edm = lite_edm_options(),
                int64_t batch = 8, bool band = false)
      : NetPart(band ? "diffusion_band" : "diffusion", std::move(mixes), batch),
        renderers_(std::move(renderers)),
        edm_(edm),
        band_(band) {}
  PartOptions options() const override;
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  std::map<std::string, double> validate() override;

 private:
  struct Batch {
    torch::Tensor mu, mel;  // [B][T][100]
  };
  Batch draw(bool training, Chance& chance, int64_t count, std::optional<Ensemble> ensemble);
  void measure(Ensemble ensemble, std::map<std::string, double>& figures);

  Renderers renderers_;
  EdmOptions edm_;
  const bool band_;
};

class MagnitudePart : public NetPart<MagnitudeNet, Mixes> {
 public:
  explicit MagnitudePart(std::shared_ptr<const Mixes> mixes, int64_t batch = 12, bool band = false)
      : NetPart(band ? "magnitude_band" : "magnitude", std::move(mixes), batch), band_(band) {}
  PartOptions options() const override;
  torch::Tensor loss(const BatchKey& key, std::map<std::string, double>& figures) override;
  std::map<std::string, double> validate() override;

 private:
  const bool band_;
};

// mel [B][T][100] and magnitude [B][T][513] of waves with 384 samples of margin on either side, [B][256 T + 768].
struct Spectra {
  torch::Tensor mel, magnitude;
};
Spectra spectra_of(const torch::Tensor& waves);
torch::Tensor magnitude_loss(const torch::Tensor& ln_predicted, const torch::Tensor& magnitude);

}  // namespace fastsag::model
