#include "model/train/audio_parts.h"

#include <cmath>

#include "dsp/mel.h"
#include "dsp/stft.h"
#include "model/eval/frechet.h"
#include "model/lite/roll.h"

namespace fastsag::model {
namespace {

constexpr int64_t kFrames = 384, kMagnitudeFrames = 96;
constexpr int kValidationCrops = 24;
constexpr double kLevelSpreadDb = 4;  // of stems in training
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

// Who plays in training; nothing: any ensemble.
std::optional<Ensemble> players(bool band) { return band ? std::nullopt : std::optional(Ensemble::piano); }

// With the margins that spectra_of() wants.
torch::Tensor mix_wave(const Mix& mix, int64_t frames) {
  return torch::tensor(
      mix.wave(mix.first_frame * dsp::kMelHop - dsp::kMelPad, frames * dsp::kMelHop + 2 * dsp::kMelPad));
}

torch::Tensor draw_waves(const Mixes& songs, bool training, Chance& chance, int64_t count,
                         std::optional<Ensemble> ensemble) {
  std::vector<torch::Tensor> waves;
  for (int64_t i = 0; i < count; ++i) {
    const torch::Tensor wave = mix_wave(
        songs.draw(training, chance, kMagnitudeFrames, ensemble, training ? kLevelSpreadDb : 0), kMagnitudeFrames);
    waves.push_back(wave * std::pow(10, chance.uniform(-10, 4) / 20));
  }
  return torch::stack(waves);
}

// Patches of 8 frames, every 4, in nepers: [n][800].
torch::Tensor patches(const torch::Tensor& mels) {
  return (mels * kNepersPerUnit).unfold(1, 8, 4).reshape({-1, 8 * dsp::kMelBands});
}

// The Frechet distance of mel patches, in the 24 dimensions in which the truth's differ most.
class PatchDistance {
 public:
  explicit PatchDistance(const torch::Tensor& truth) {
    const torch::Tensor all = patches(truth).to(torch::kDouble);
    mean_ = all.mean(0);
    const torch::Tensor centred = all - mean_;
    axes_ = std::get<1>(torch::linalg_eigh(centred.t().mm(centred))).narrow(1, all.size(1) - 24, 24);
    reference_.emplace(gaussian(truth));
  }
  double of(const torch::Tensor& mels) const { return reference_->distance(gaussian(mels)); }

 private:
  Gaussian gaussian(const torch::Tensor& mels) const {
    Gaussian out;
    out.add((patches(mels).to(torch::kDouble) - mean_).mm(axes_));
    return out;
  }
  torch::Tensor mean_, axes_;
  std::optional<FrechetReference> reference_;
};

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

DiffusionPart::Batch DiffusionPart::draw(bool training, Chance& chance, int64_t count,
                                         std::optional<Ensemble> ensemble) {
  const torch::NoGradGuard frozen;
  const torch::Device device = device_of(*net_);
  std::vector<torch::Tensor> mus, mels;
  for (int64_t i = 0; i < count; ++i) {
    const Mix mix = songs_->draw(training, chance, kFrames, ensemble, training ? kLevelSpreadDb : 0);
    std::vector<torch::Tensor> stems;
    std::vector<double> levels;
    for (const Stem& stem : mix.stems) {
      const torch::Tensor roll = note_roll(stem.song->notes(), mix.first_frame, kFrames).unsqueeze(0).to(device);
      stems.push_back(renderers_.at(stem.channel)->forward(roll).mu[0].to(torch::kFloat));
      levels.push_back(stem.level_db);
    }
    mus.push_back(mix_mels(stems, levels));
    mels.push_back(spectra_of(mix_wave(mix, kFrames).unsqueeze(0)).mel[0].to(device));
  }
  return {torch::stack(mus), torch::stack(mels)};
}

torch::Tensor DiffusionPart::loss(const BatchKey& key, std::map<std::string, double>&) {
  Chance chance = chance_of(kDiffusionBatch, key);
  const auto [mu, mel] = draw(true, chance, batch_, players(band_));
  torch::Tensor normal = torch::empty({batch_});
  for (int64_t i = 0; i < batch_; ++i) normal[i] = chance.normal();
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(chance.next());
  const torch::Tensor noise = torch::randn(mel.sizes(), generator).to(mel.device());
  const torch::Tensor sigma = edm_training_sigma(edm_, normal).to(mel.device());
  return edm_loss(
      edm_, [this](auto&&... in) { return net_->forward(in...); }, mel, {}, mu, sigma, noise);
}

// Of an ensemble: the error of mu and of D at each level of noise, and how far mel patches are from the truth's, by mu
// alone and after 1, 2 and 4 evaluations.
void DiffusionPart::measure(Ensemble ensemble, std::map<std::string, double>& figures) {
  const std::string name = ensemble == Ensemble::piano ? "" : std::string(name_of(ensemble)) + "_";
  Chance chance{kValidation};
  const auto [mu, mel] = draw(false, chance, kValidationCrops, ensemble);
  const auto network = [this](auto&&... in) { return net_->forward(in...); };
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(chance.next());
  const torch::Tensor noise = torch::randn(mel.sizes(), generator).to(mel.device());
  figures[name + "mu_mse"] = (mu - mel).square().mean().item<double>();
  for (const auto& [text, level] : {std::pair(".02", .02), {".05", .05}, {".2", .2}, {".6", .6}, {"2", 2.}}) {
    const torch::Tensor sigma = torch::full({mel.size(0)}, level, mel.options().dtype(torch::kDouble));
    const torch::Tensor clean = edm_denoise(edm_, network, mel + level * noise, {}, mu, sigma);
    figures[name + "mse_at_" + text] = (clean - mel).square().mean().item<double>();
  }
  const PatchDistance distance(mel);
  figures[name + "fd_mu"] = distance.of(mu);
  for (const int steps : {1, 2, 4}) {
    EdmOptions edm = edm_;
    edm.steps = steps;
    figures[name + "fd_" + std::to_string(steps)] = distance.of(
        band_ ? with_grain(mu, edm_sample(edm, network, noise, {}, mu)) : edm_sample(edm, network, noise, {}, mu));
  }
}

std::map<std::string, double> DiffusionPart::validate() {
  torch::NoGradGuard no_grad;
  std::map<std::string, double> figures;
  measure(Ensemble::piano, figures);
  for (const Ensemble ensemble : {Ensemble::band, Ensemble::strings})
    if (band_) measure(ensemble, figures);
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
  const Spectra spectra = spectra_of(draw_waves(*songs_, true, chance, batch_, players(band_)));
  const torch::Device device = device_of(*net_);
  return magnitude_loss(net_->forward(spectra.mel.to(device)), spectra.magnitude.to(device));
}

std::map<std::string, double> MagnitudePart::validate() {
  torch::NoGradGuard no_grad;
  std::map<std::string, double> figures;
  for (size_t i = 0; i < (band_ ? kEnsembles.size() : 1); ++i) {
    Chance chance{kValidation};
    const Spectra spectra =
        spectra_of(draw_waves(*songs_, false, chance, 4 * kValidationCrops, static_cast<Ensemble>(i)));
    const torch::Tensor magnitude = spectra.magnitude.to(device_of(*net_));
    const torch::Tensor predicted = net_->forward(spectra.mel.to(magnitude.device()));
    // What is heard: bins within 26 dB of the crop's loudest, and not in silence.
    const torch::Tensor loud = (magnitude > (.05 * magnitude.amax({1, 2}, true)).clamp_min(.1)).to(torch::kFloat);
    const torch::Tensor nepers = (predicted - magnitude.log()).abs();
    const std::string name = i == 0 ? "" : std::string(kEnsembles[i]) + "_";
    figures[name + "loss"] = magnitude_loss(predicted, magnitude).item<double>();
    figures[name + "loud_l1_neper"] = ((nepers * loud).sum() / loud.sum()).item<double>();
  }
  return figures;
}

}  // namespace fastsag::model
