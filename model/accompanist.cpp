#include "model/accompanist.h"

#include "dsp/error.h"
#include "model/lite/accompanist.h"
#include "model/memory.h"
#include "model/paper/accompanist.h"
#include "model/preset.h"

namespace fastsag::model {

void check_style(const Accompanist& accompanist, Ensemble style) {
  if (accompanist.can_play(style)) return;
  std::string known;
  for (size_t i = 0; i < kEnsembles.size(); ++i)
    if (accompanist.can_play(static_cast<Ensemble>(i))) known.append(" ").append(kEnsembles[i]);
  throw Error("preset " + std::string(accompanist.preset()) + " cannot play style " + std::string(name_of(style)) +
              "; it plays" + known);
}

std::unique_ptr<Accompanist> load_accompanist(const AccompanistOptions& options) {
  const Preset preset = load_preset(options.preset, options.preset_dir);
  check_memory(preset, available_bytes(), options.preset_dir);
  if (preset.form == "paper") return std::make_unique<PaperAccompanist>(preset, options);
  if (options.device != "cpu")
    throw Error("device \"" + options.device + "\" was asked for, but preset " + preset.name +
                " runs on the CPU; set model.device = \"cpu\"");
  return std::make_unique<LiteAccompanist>(preset, options);
}

}  // namespace fastsag::model
