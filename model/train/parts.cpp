#include "model/train/parts.h"

#include <functional>

#include "dsp/error.h"
#include "model/train/audio_parts.h"
#include "model/train/paper_part.h"
#include "model/train/semantic_parts.h"

namespace fastsag::model {
namespace {

// What parts share is made when the first one asks for it: scores alone need no rendered sound.
class Workshop {
 public:
  Workshop(const TrainConfig& config, std::vector<Corpus> corpora) : config_(config), corpora_(std::move(corpora)) {}

  // Scores are learnt from all corpora, sound from the first.
  const std::filesystem::path& folder() const { return corpora_.front().folder; }
  SharedScores scores() { return scores_ ? scores_ : scores_ = load_scores(corpora_); }
  SharedAudio audio() { return audio_ ? audio_ : audio_ = std::make_shared<AudioSplits>(folder()); }
  std::shared_ptr<const Mixes> mixes() {
    return mixes_ ? mixes_ : mixes_ = std::make_shared<Mixes>(audio(), further());
  }
  // Of kFurtherInstruments, in that order.
  const std::vector<SharedAudio>& further() {
    if (further_.empty()) further_ = further_stems(folder());
    return further_;
  }

  // The denoiser refines what renderers make: those in training, else those that were released.
  DiffusionPart::Renderers renderers(bool band) {
    if (renderers_.contains(kPianoChannel) || !config_.start.empty()) {
      load_renderer(kPianoChannel, "prior", NoteRendererImpl::kChannels);
      for (size_t i = 0; band && i < further().size(); ++i)
        if (further()[i])
          load_renderer(kFurtherInstruments[i].channel, "prior_" + std::string(kFurtherInstruments[i].name),
                        NoteRendererImpl::kSmallChannels);
      return renderers_;
    }
    throw Error("part diffusion needs part prior: train it too (before it in `parts`), or give --start WEIGHTS");
  }
  // A band's network starts as the piano's, where that was released and the band's own was not (which the trainer
  // sees).
  void begin_with(torch::nn::Module& module, const std::string& prefix) const {
    if (!config_.start.empty()) load_module(module, config_.start, prefix);
  }
  void set_renderer(int channel, NoteRenderer renderer) { renderers_.insert({channel, std::move(renderer)}); }

 private:
  const TrainConfig& config_;
  std::vector<Corpus> corpora_;
  SharedScores scores_;
  SharedAudio audio_;
  std::vector<SharedAudio> further_;
  std::shared_ptr<const Mixes> mixes_;
  DiffusionPart::Renderers renderers_;  // by channel

  void load_renderer(int channel, const std::string& prefix, int64_t channels) {
    if (renderers_.contains(channel)) return;
    NoteRenderer renderer(channels);
    load_module(*renderer, config_.start, prefix);
    set_renderer(channel, renderer);
  }
};

template <class P, class Shared>
std::unique_ptr<P> with_batch(Shared shared, const PartConfig& config) {
  return config.batch ? std::make_unique<P>(std::move(shared), *config.batch) : std::make_unique<P>(std::move(shared));
}

struct Maker {
  std::string name;
  std::function<std::unique_ptr<Part>(Workshop&, const PartConfig&)> make;
};

Maker prior_of(size_t index) {
  const Instrument& instrument = kFurtherInstruments[index];
  return {"prior_" + std::string(instrument.name), [index, instrument](Workshop& shop, const PartConfig& config) {
            SharedAudio audio = shop.further()[index];
            if (!audio) audio = std::make_shared<AudioSplits>(shop.folder(), std::string(instrument.name));  // throws
            auto part = std::make_unique<PriorPart>(std::move(audio), instrument, config.batch.value_or(8));
            shop.set_renderer(instrument.channel, part->net());
            return part;
          }};
}

Maker diffusion(const std::string& name, bool band) {
  return {name, [band](Workshop& shop, const PartConfig& config) {
            auto part = std::make_unique<DiffusionPart>(shop.mixes(), shop.renderers(band), lite_edm_options(),
                                                        config.batch.value_or(8), band);
            if (band) shop.begin_with(part->module(), "diffusion");
            return part;
          }};
}

Maker magnitude(const std::string& name, bool band) {
  return {name, [band](Workshop& shop, const PartConfig& config) {
            auto part = std::make_unique<MagnitudePart>(shop.mixes(), config.batch.value_or(12), band);
            if (band) shop.begin_with(part->module(), "magnitude");
            return part;
          }};
}

const std::vector<Maker>& makers() {
  static const std::vector<Maker> kMakers = {
      {"beat", [](Workshop& shop, const PartConfig& config) { return with_batch<BeatPart>(shop.scores(), config); }},
      {"chord", [](Workshop& shop, const PartConfig& config) { return with_batch<ChordPart>(shop.scores(), config); }},
      {"note", [](Workshop& shop, const PartConfig& config) { return with_batch<NotePart>(shop.scores(), config); }},
      {"prior",
       [](Workshop& shop, const PartConfig& config) {
         auto part = with_batch<PriorPart>(shop.audio(), config);
         shop.set_renderer(kPianoChannel, part->net());
         return part;
       }},
      prior_of(0),
      prior_of(1),
      prior_of(2),
      diffusion("diffusion", false),
      diffusion("diffusion_band", true),
      magnitude("magnitude", false),
      magnitude("magnitude_band", true),
      {"paper",
       [](Workshop& shop, const PartConfig& config) {
         return config.batch ? std::make_unique<PaperPart>(shop.folder(), config.paper, *config.batch)
                             : std::make_unique<PaperPart>(shop.folder(), config.paper);
       }},
  };
  return kMakers;
}

}  // namespace

std::vector<std::string> part_names() {
  std::vector<std::string> names;
  for (const Maker& maker : makers()) names.emplace_back(maker.name);
  return names;
}

std::vector<std::unique_ptr<Part>> make_parts(const TrainConfig& config, const std::vector<Corpus>& corpora) {
  Workshop shop(config, corpora);
  std::vector<std::unique_ptr<Part>> parts;
  for (const std::string& name : config.parts) {
    for (const Maker& maker : makers()) {
      if (maker.name == name) parts.push_back(maker.make(shop, config.part.at(name)));
    }
  }
  return parts;
}

}  // namespace fastsag::model
