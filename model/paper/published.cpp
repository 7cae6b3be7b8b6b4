#include "model/paper/published.h"

#include "dsp/error.h"
#include "model/checkpoint.h"

namespace fastsag::model {
namespace {

constexpr int64_t kConvertedLayers = 11;

}  // namespace

void check_converted(const std::filesystem::path& file, const std::string& source) {
  if (std::filesystem::is_regular_file(file)) return;
  throw Error("no such file: " + file.string() + "; it is made from " + source +
              " by tools/convert_checkpoint FILE --out " +
              (file.has_parent_path() ? file.parent_path().string() : "."));
}

Mert load_mert(const std::filesystem::path& file, int64_t layers) {
  check_converted(file, "MERT-v1-95M (pytorch_model.bin of huggingface.co/m-a-p/MERT-v1-95M)");
  Mert mert(layers);
  std::vector<PrefixedModule> parts = {{"", mert.get()}};
  for (int64_t layer = layers; layer < kConvertedLayers; ++layer) {
    parts.push_back({"encoder.layers." + std::to_string(layer), nullptr});
  }
  load_modules(parts, file);
  mert->eval();
  return mert;
}

BigVgan load_bigvgan(const std::filesystem::path& file) {
  check_converted(file,
                  "BigVGAN 24 kHz 100 band (bigvgan_generator.pt of huggingface.co/nvidia/bigvgan_24khz_100band)");
  const SafetensorsFile weights(file);
  BigVgan vocoder(weights.header().find("conv_post.bias") ? BigVganVersion::v1 : BigVganVersion::v2);
  const PrefixedModule part{"", vocoder.get()};
  load_modules(std::span(&part, 1), weights);
  vocoder->eval();
  return vocoder;
}

}  // namespace fastsag::model
