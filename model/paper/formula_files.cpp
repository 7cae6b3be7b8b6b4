#include "model/paper/formula_files.h"

#include <cstdlib>

#include "dsp/error.h"
#include "model/checkpoint.h"
#include "model/formula.h"
#include "model/nn/bigvgan.h"
#include "model/nn/mert.h"
#include "model/nn/unet.h"
#include "model/paper/condition.h"

namespace fastsag::model {
namespace {

namespace fs = std::filesystem;

fs::path new_folder() {
  std::string pattern = (fs::temp_directory_path() / "fastsag_XXXXXX").string();
  if (!mkdtemp(pattern.data()))
    throw Error("cannot make a folder in " + fs::temp_directory_path().string() +
                " for weights by formula; expected 1.6 GB to write to (TMPDIR)");
  return pattern;
}

void save(const fs::path& file, const std::vector<PrefixedModule>& modules) {
  save_modules(file, modules, {}, Storage::fp32);
}

void write_denoiser(const Preset& preset, const fs::path& file) {
  Condition condition(preset.sizes);
  UNet unet(preset.sizes.unet_dim);
  fill_by_formula(*condition, FormulaModel::fastsag);
  fill_by_formula(*unet, FormulaModel::fastsag, "decoder.estimator.");
  save(file, {{"", condition.get()}, {"decoder.estimator", unet.get()}});
}

template <class Net>
void write_published(const fs::path& file, FormulaModel model) {
  Net net;
  fill_by_formula(*net, model);
  save(file, {{"", net.get()}});
}

}  // namespace

FormulaFiles::FormulaFiles(Preset& preset) {
  const auto provide = [this](const std::string& what, fs::path& file, const auto& write) {
    const bool there = fs::is_regular_file(file);
    origin_ += (origin_.empty() ? "" : ", ") + what + (there ? " from its file" : " by formula");
    if (there) return;
    if (folder_.empty()) folder_ = new_folder();
    file = folder_ / (what + ".safetensors");
    write(file);
  };
  provide("FastSAG", preset.weights, [&](const fs::path& file) { write_denoiser(preset, file); });
  if (preset.front_end.kind == "mert")
    provide("MERT", preset.front_end.weights,
            [](const fs::path& file) { write_published<Mert>(file, FormulaModel::mert); });
  if (preset.vocoder.kind == "bigvgan")
    provide("BigVGAN", preset.vocoder.weights,
            [](const fs::path& file) { write_published<BigVgan>(file, FormulaModel::bigvgan); });
}

FormulaFiles::~FormulaFiles() {
  std::error_code ignored;
  if (!folder_.empty()) fs::remove_all(folder_, ignored);
}

}  // namespace fastsag::model
