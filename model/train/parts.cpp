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
  Workshop(const TrainConfig& config, std::filesystem::path corpus) : config_(config), corpus_(std::move(corpus)) {}

  const std::filesystem::path& folder() const { return corpus_; }
  SharedScores scores() { return scores_ ? scores_ : scores_ = load_scores(corpus_); }
  SharedAudio audio() { return audio_ ? audio_ : audio_ = std::make_shared<AudioSplits>(corpus_); }

  // The denoiser refines what the renderer makes: the one in training, else one that was released.
  NoteRenderer renderer() {
    if (renderer_) return renderer_;
    if (config_.start.empty()) {
      throw Error("part diffusion needs part prior: train it too (before it in `parts`), or give --start WEIGHTS");
    }
    renderer_ = NoteRenderer();
    load_module(*renderer_, config_.start, "prior");
    return renderer_;
  }
  void set_renderer(NoteRenderer renderer) { renderer_ = std::move(renderer); }

 private:
  const TrainConfig& config_;
  std::filesystem::path corpus_;
  SharedScores scores_;
  SharedAudio audio_;
  NoteRenderer renderer_{nullptr};
};

template <class P, class Shared>
std::unique_ptr<P> with_batch(Shared shared, const PartConfig& config) {
  return config.batch ? std::make_unique<P>(std::move(shared), *config.batch) : std::make_unique<P>(std::move(shared));
}

struct Maker {
  std::string name;
  std::function<std::unique_ptr<Part>(Workshop&, const PartConfig&)> make;
};

Maker prior_of(const Instrument& instrument) {
  return {"prior_" + std::string(instrument.name), [instrument](Workshop& shop, const PartConfig& config) {
            auto audio = std::make_shared<AudioSplits>(shop.folder(), std::string(instrument.name));
            return std::make_unique<PriorPart>(std::move(audio), instrument, config.batch.value_or(8));
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
         shop.set_renderer(part->net());
         return part;
       }},
      prior_of(kFurtherInstruments[0]),
      prior_of(kFurtherInstruments[1]),
      prior_of(kFurtherInstruments[2]),
      {"diffusion",
       [](Workshop& shop, const PartConfig& config) {
         return config.batch
                    ? std::make_unique<DiffusionPart>(shop.audio(), shop.renderer(), lite_edm_options(), *config.batch)
                    : std::make_unique<DiffusionPart>(shop.audio(), shop.renderer());
       }},
      {"magnitude",
       [](Workshop& shop, const PartConfig& config) { return with_batch<MagnitudePart>(shop.audio(), config); }},
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

std::vector<std::unique_ptr<Part>> make_parts(const TrainConfig& config, const std::filesystem::path& corpus) {
  Workshop shop(config, corpus);
  std::vector<std::unique_ptr<Part>> parts;
  for (const std::string& name : config.parts) {
    for (const Maker& maker : makers()) {
      if (maker.name == name) parts.push_back(maker.make(shop, config.part.at(name)));
    }
  }
  return parts;
}

}  // namespace fastsag::model
