#include "model/train/audio_parts.h"

#include <cmath>

#include "dsp/mel.h"
#include "dsp/stft.h"
#include "model/lite/roll.h"

namespace fastsag::model {
namespace {

constexpr int64_t kFrames = 384, kMagnitudeFrames = 96;
constexpr int kValidationCrops = 24;
constexpr double kNepersPerUnit = 7;  // of the normalised mel

// What a batch is for, so that parts do not train on the same crops and validation is always the same.
enum : uint64_t { kPriorBatch = 1, kDiffusionBatch, kMagnitudeBatch, kValidation };

Chance chance_of(uint64_t purpose, const BatchKey& key) {
  return Chance{key.seed, purpose, static_cast<uint64_t>(key.step), static_cast<uint64_t>(key.rank)};
}

struct Batch {
  torch::Tensor roll, mel;  // [B][T][kRollWidth], [B][T][100]
};

Batch draw(const AudioCorpus& songs, Chance& chance, int64_t count, int64_t frames) {
  std::vector<torch::Tensor> rolls, mels;
  for (int64_t i = 0; i < count; ++i) {
    const Crop crop = songs.crop(chance, frames);
    rolls.push_back(note_roll(crop.song->notes(), crop.first_frame, frames));
    mels.push_back(crop.song->mel(crop.first_frame, frames));
  }
  return {torch::stack(rolls), torch::stack(mels)};
}

torch::Device device_of(const torch::nn::Module& module) { return module.parameters().front().device(); }

torch::Tensor draw_waves(const AudioCorpus& songs, Chance& chance, int64_t count) {
  constexpr int64_t kSamples = kMagnitudeFrames * dsp::kMelHop + 2 * dsp::kMelPad;
  torch::Tensor waves = torch::empty({count, kSamples});
  for (int64_t i = 0; i < count; ++i) {
    const Crop crop = songs.crop(chance, kMagnitudeFrames);
    const auto samples = crop.song->wave(crop.first_frame * dsp::kMelHop - dsp::kMelPad, kSamples);
    const double gain = std::pow(10, chance.uniform(-10, 4) / 20);
    waves[i] = torch::tensor(samples) * gain;
  }
  return waves;
}

}  // namespace

PartOptions PriorPart::options() const { return {.steps = 2000, .learning_rate = 2e-3}; }

torch::Tensor PriorPart::loss(const BatchKey& key, std::map<std::string, double>& figures) {
  Chance chance = chance_of(kPriorBatch, key);
  const Batch batch = draw(songs_->train, chance, batch_, kFrames);
  const torch::Tensor mel = batch.mel.to(device_of(*net_));
  const auto [plain, mu] = net_->forward(batch.roll.to(mel.device()));
  const torch::Tensor error = mu.to(torch::kFloat) - mel, square = error.square().mean();
  figures["mse"] = square.item<double>();
  return square + .1 * error.abs().mean() + .5 * (plain - mel).square().mean();
}

std::map<std::string, double> PriorPart::validate() {
  torch::NoGradGuard no_grad;
  Chance chance{kValidation};
  double mse = 0, plain_mse = 0, l1 = 0;
  for (int i = 0; i < kValidationCrops; ++i) {
    const Batch batch = draw(songs_->validate, chance, 1, kFrames);
    const torch::Tensor mel = batch.mel.to(device_of(*net_));
    const auto [plain, mu] = net_->forward(batch.roll.to(mel.device()));
    mse += (mu - mel).square().mean().item<double>() / kValidationCrops;
    plain_mse += (plain - mel).square().mean().item<double>() / kValidationCrops;
    l1 += (mu - mel).abs().mean().item<double>() * kNepersPerUnit / kValidationCrops;
  }
  return {{"mse", mse}, {"templates_mse", plain_mse}, {"l1_neper", l1}};
}

PartOptions DiffusionPart::options() const { return {.steps = 1000, .learning_rate = 1e-3, .weight_decay = .02}; }

torch::Tensor DiffusionPart::loss(const BatchKey& key, std::map<std::string, double>&) {
  Chance chance = chance_of(kDiffusionBatch, key);
  const Batch batch = draw(songs_->train, chance, batch_, kFrames);
  const torch::Tensor mel = batch.mel.to(device_of(*net_));
  torch::Tensor mu;
  {
    torch::NoGradGuard frozen;
    mu = renderer_->forward(batch.roll.to(mel.device())).mu.to(torch::kFloat);
  }
  torch::Tensor normal = torch::empty({batch_});
  for (int64_t i = 0; i < batch_; ++i) normal[i] = chance.normal();
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(chance.next());
  const torch::Tensor noise = torch::randn(mel.sizes(), generator).to(mel.device());
  const torch::Tensor sigma = edm_training_sigma(edm_, normal).to(mel.device());
  return edm_loss(
      edm_, [this](auto&&... in) { return net_->forward(in...); }, mel, {}, mu, sigma, noise);
}

std::map<std::string, double> DiffusionPart::validate() {
  torch::NoGradGuard no_grad;
  Chance chance{kValidation};
  std::map<std::string, double> figures;
  const std::vector<std::pair<std::string, double>> levels = {
      {".02", .02}, {".05", .05}, {".2", .2}, {".6", .6}, {"2", 2}};
  for (int i = 0; i < kValidationCrops; ++i) {
    const Batch batch = draw(songs_->validate, chance, 1, kFrames);
    const torch::Tensor mel = batch.mel.to(device_of(*net_));
    const torch::Tensor mu = renderer_->forward(batch.roll.to(mel.device())).mu;
    at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(chance.next());
    const torch::Tensor noise = torch::randn(mel.sizes(), generator).to(mel.device());
    figures["mu_mse"] += (mu - mel).square().mean().item<double>() / kValidationCrops;
    for (const auto& [text, level] : levels) {
      const torch::Tensor sigma = torch::full({1}, level, mel.options().dtype(torch::kDouble));
      const torch::Tensor clean = edm_denoise(
          edm_, [this](auto&&... in) { return net_->forward(in...); }, mel + level * noise, {}, mu, sigma);
      figures["mse_at_" + text] += (clean - mel).square().mean().item<double>() / kValidationCrops;
    }
  }
  return figures;
}

Spectra spectra_of(const torch::Tensor& waves) {
  dsp::Stft stft(dsp::kMelFft, dsp::kMelHop);
  const torch::Tensor dense = waves.contiguous();
  const auto samples = static_cast<size_t>(dense.size(1));
  const int64_t frames = stft.frames(dense.size(1));
  torch::Tensor magnitude = torch::empty({dense.size(0), frames, dsp::kMelBins});
  for (int64_t i = 0; i < dense.size(0); ++i) {
    auto spectra = stft.forward({dense[i].const_data_ptr<float>(), samples});
    const torch::Tensor complex = torch::from_blob(spectra.data(), {frames, dsp::kMelBins, 2});
    magnitude[i] = (complex.square().sum(2) + 1e-9).sqrt();  // the front end's own guard
  }
  const torch::Tensor basis =
      torch::from_blob(const_cast<float*>(dsp::mel_basis().data()), {dsp::kMelBands, dsp::kMelBins});
  const torch::Tensor ln_mel = torch::matmul(magnitude, basis.t()).clamp_min(1e-5).log();
  return {(ln_mel + 12) / 7 - 1, magnitude};
}

torch::Tensor magnitude_loss(const torch::Tensor& ln_predicted, const torch::Tensor& magnitude) {
  constexpr double kAudible = 3e-3;
  const torch::Tensor predicted = ln_predicted.to(torch::kFloat).exp();
  const torch::Tensor logarithmic = (torch::log(predicted + kAudible) - torch::log(magnitude + kAudible)).abs().mean();
  const torch::Tensor share = ((predicted - magnitude).abs().mean({1, 2}) / (magnitude.mean({1, 2}) + kAudible)).mean();
  const torch::Tensor root = (predicted.sqrt() - magnitude.sqrt()).abs().mean();
  return logarithmic + 2 * share + .5 * root;
}

PartOptions MagnitudePart::options() const { return {.steps = 2500, .learning_rate = 3e-3, .weight_decay = .01}; }

torch::Tensor MagnitudePart::loss(const BatchKey& key, std::map<std::string, double>&) {
  Chance chance = chance_of(kMagnitudeBatch, key);
  const Spectra spectra = spectra_of(draw_waves(songs_->train, chance, batch_));
  const torch::Device device = device_of(*net_);
  return magnitude_loss(net_->forward(spectra.mel.to(device)), spectra.magnitude.to(device));
}

std::map<std::string, double> MagnitudePart::validate() {
  torch::NoGradGuard no_grad;
  Chance chance{kValidation};
  const Spectra spectra = spectra_of(draw_waves(songs_->validate, chance, 4 * kValidationCrops));
  const torch::Tensor magnitude = spectra.magnitude.to(device_of(*net_));
  const torch::Tensor predicted = net_->forward(spectra.mel.to(magnitude.device()));
  // What is heard: bins within 26 dB of the crop's loudest, and not in silence.
  const torch::Tensor loud = (magnitude > (.05 * magnitude.amax({1, 2}, true)).clamp_min(.1)).to(torch::kFloat);
  const torch::Tensor nepers = (predicted - magnitude.log()).abs();
  return {{"loss", magnitude_loss(predicted, magnitude).item<double>()},
          {"loud_l1_neper", ((nepers * loud).sum() / loud.sum()).item<double>()}};
}

}  // namespace fastsag::model
