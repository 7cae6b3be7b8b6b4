#include "model/paper/bench.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "dsp/tune.h"
#include "model/accompanist.h"
#include "model/checkpoint.h"
#include "model/edm.h"
#include "model/formula.h"
#include "model/memory.h"
#include "model/nn/kernels.h"
#include "model/nn/unet.h"
#include "model/paper/condition.h"
#include "model/paper/front_end.h"
#include "model/paper/published.h"
#include "model/paper/vocoder.h"
#include "model/stopwatch.h"
#include "model/work_counter.h"

namespace fastsag::model {
namespace {

const std::string kPlain = "plain", kFloat = "fp32", kHalf = "bf16";

std::vector<float> scaled_tune() {
  std::vector<float> wave = dsp::sung_tune(10 * kSampleRate);
  dsp::minmax_scale(wave);
  return wave;
}

double snr_db(const torch::Tensor& truth, const torch::Tensor& made) {
  const auto power = [](const torch::Tensor& x) { return x.to(torch::kDouble).square().sum().item<double>(); };
  return 10 * std::log10(power(truth) / power(made.to(torch::kFloat) - truth.to(torch::kFloat)));
}

// The blocks of the model, as a window runs them.
class Blocks {
 public:
  Blocks(const Preset& preset, int steps)
      : preset_(preset), steps_(steps), voice_(scaled_tune()), condition_(preset.sizes), unet_(preset.sizes.unet_dim) {
    load_denoiser();
    load_front_end_and_vocoder();
    audio_ = torch::from_blob(voice_.data(), {1, std::ssize(voice_)});
    const int64_t width = preset.sizes.width;
    mask_ = (torch::arange(width) < preset.sizes.frames).to(torch::kFloat).view({1, 1, width});
    noise_ = formula_normal("bench.z", {1, dsp::kMelBands, width});
    mel_ = formula_uniform("bench.mel", {1, dsp::kMelBands, preset.sizes.frames});
  }

  int steps() const { return steps_; }
  UNet& unet() { return unet_; }
  const torch::Tensor& some_mel() const { return mel_; }
  bool has_bigvgan() const { return static_cast<bool>(bigvgan_); }

  void use(const std::string& way) {
    set(*unet_, way);
    if (bigvgan_) set(*bigvgan_, way);
  }
  void set_unet(const std::string& way) { set(*unet_, way); }
  void set_vocoder(const std::string& way) {
    if (bigvgan_) set(*bigvgan_, way);
  }

  torch::Tensor hear() {
    if (preset_.front_end.kind != "mert") return front_end_->features(voice_).unsqueeze(0);
    return preset_.front_end.normalised ? mert_->embed(audio_) : mert_->forward(audio_).back();
  }
  torch::Tensor prior(const torch::Tensor& features) {
    if (preset_.condition == "mel") return condition_->prior(mel_);
    const bool perceiver = preset_.condition == "perceiver";
    return condition_->forward(features, preset_.sizes.frames,
                               perceiver ? ConditionPath::perceiver : ConditionPath::bilinear);
  }
  torch::Tensor step(const torch::Tensor& mu) { return unet_(noise_, mask_, mu, torch::full({1}, -.17f)); }
  torch::Tensor sample(const torch::Tensor& mu) {
    EdmOptions edm;
    edm.steps = steps_;
    edm.sigma_max = preset_.denoiser.sigma_max;
    return edm_sample(
               edm,
               [this](const auto& x, const auto& mask, const auto& m, const auto& c) { return unet_(x, mask, m, c); },
               noise_, mask_, mu)
        .narrow(2, 0, preset_.sizes.frames);
  }
  torch::Tensor sound(const torch::Tensor& mel) {
    if (bigvgan_) return bigvgan_((mel + 1) * 7 - 12);
    const std::vector<float> made =
        vocoder_->synthesize(mel[0].t(), 0, 0, (preset_.sizes.frames - 1) * dsp::kMelHop, {});
    return torch::tensor(made);
  }

  // As the modules define them, counted on a part and scaled: all their work grows with the length.
  CountedWork step_work() {
    constexpr int64_t kPart = 32;
    const torch::Tensor x = torch::zeros({1, dsp::kMelBands, kPart});
    const WorkCounter counter;
    unet_(x, torch::ones({1, 1, kPart}), x, torch::zeros({1}));
    return counter.work().longer(static_cast<double>(preset_.sizes.width) / kPart);
  }
  CountedWork sound_work() {
    if (!bigvgan_) return {};
    constexpr int64_t kPart = 4;
    const WorkCounter counter;
    bigvgan_(torch::zeros({1, dsp::kMelBands, kPart}));
    return counter.work().longer(static_cast<double>(preset_.sizes.frames) / kPart);
  }

 private:
  template <class Net>
  void set(Net& net, const std::string& way) {
    if (way == kPlain)
      net.unprepare();
    else
      net.prepare(way == kHalf ? torch::kBFloat16 : torch::kFloat);
  }
  void load_denoiser() {
    const std::array parts = {PrefixedModule{"", condition_.get()}, PrefixedModule{"decoder.estimator", unet_.get()}};
    load_modules(parts, preset_.weights);
    for (const PrefixedModule& part : parts) part.module->eval();
  }
  void load_front_end_and_vocoder() {
    if (preset_.front_end.kind == "mert")
      mert_ = load_mert(preset_.front_end.weights);
    else
      front_end_ = load_front_end(preset_.front_end, torch::kCPU);
    if (preset_.vocoder.kind == "bigvgan")
      bigvgan_ = load_bigvgan(preset_.vocoder.weights);
    else
      vocoder_ = load_vocoder(preset_, torch::kCPU);
  }

  const Preset preset_;
  const int steps_;
  std::vector<float> voice_;
  Condition condition_;
  UNet unet_;
  Mert mert_{nullptr};
  BigVgan bigvgan_{nullptr};
  std::unique_ptr<FrontEnd> front_end_;
  std::unique_ptr<Vocoder> vocoder_;
  torch::Tensor audio_, mel_, mask_, noise_;
};

class Bench {
 public:
  Bench(const Preset& preset, const BenchRequest& request, BenchReport& report,
        const std::function<void(const BenchRow&)>& show)
      : blocks_(preset, request.steps.value_or(preset.denoiser.steps)), show_(show), report_(report) {
    ways_ = {kFloat};
    if (has_bf16()) ways_.push_back(kHalf);
    if (request.baseline) ways_.insert(ways_.begin(), kPlain);
  }

  void run() {
    count();
    for (const std::string& way : ways_)
      if (way != kPlain) window(way);
    compare();
    turns(
        "U-Net step", step_work_, &Blocks::set_unet, [&] { blocks_.step(mu_); }, 10);
    if (blocks_.has_bigvgan())
      turns(
          "vocoder", sound_work_, &Blocks::set_vocoder, [&] { blocks_.sound(mel_); }, 2);
    else
      measured(
          row("vocoder", kFloat, {}), [&] { blocks_.sound(mel_); }, 5);
    plain_window();
  }

 private:
  // One run of everything, which also warms up; its work.
  void count() {
    blocks_.use(kPlain);
    step_work_ = blocks_.step_work();
    sound_work_ = blocks_.sound_work();
    torch::Tensor features;
    {
      const WorkCounter counter;
      features = blocks_.hear();
      hear_work_ = counter.work();
      mu_ = blocks_.prior(features);
      prior_work_ = counter.work() - hear_work_;
    }
    measured(
        row("front end", kFloat, hear_work_), [&] { features = blocks_.hear(); }, 5);
    measured(
        row("condition", kFloat, prior_work_), [&] { mu_ = blocks_.prior(features); }, 5);
  }

  void window(const std::string& way) {
    blocks_.use(way);
    blocks_.step(mu_);
    blocks_.sound(blocks_.some_mel());
    measured(
        window_row(way),
        [&] {
          mel_ = blocks_.sample(blocks_.prior(blocks_.hear()));
          sound_ = blocks_.sound(mel_);
        },
        2);
    made_[way] = {mel_, sound_};
  }

  BenchRow window_row(const std::string& way) const {
    CountedWork whole = hear_work_, made = step_work_.repeated(blocks_.steps());
    whole += prior_work_;
    made += sound_work_;
    const BenchRow exact = row("window", kFloat, whole);
    BenchRow all = row("window", way, made);
    all.flop += exact.flop, all.bytes += exact.bytes;
    return all;
  }

  // How far bf16 is from fp32: at the end of a window, and part by part within one evaluation.
  void compare() {
    if (!made_.contains(kHalf)) return;
    report_.bf16_snr = {{"mel", snr_db(made_[kFloat].first, made_[kHalf].first)},
                        {"sound", snr_db(made_[kFloat].second, made_[kHalf].second)}};
    std::map<std::string, torch::Tensor> exact;
    for (const bool half : {false, true}) {
      blocks_.unet()->prepare(half ? torch::kBFloat16 : torch::kFloat);
      blocks_.unet()->tap = [&](const std::string& name, const torch::Tensor& value) {
        if (!half)
          exact[name] = value.clone();
        else if (const double db = snr_db(exact.at(name), value); std::isfinite(db))  // else made in floats by both
          report_.bf16_snr.emplace_back(name, db);
      };
      blocks_.step(mu_);
      blocks_.unet()->tap = {};
    }
  }

  // bf16 is of the denoiser and the vocoder: there it stores weights and values alike.
  static BenchRow row(const std::string& block, const std::string& way, const CountedWork& work) {
    return {.block = block, .way = way, .flop = work.flop, .bytes = work.bytes() / (way == kHalf ? 2 : 1)};
  }
  void measured(BenchRow measured, const std::function<void()>& body, int runs) {
    reset_peak();
    for (int i = 0; i < runs; ++i) measured.seconds.push_back(timed(body));
    measured.peak_bytes = peak_bytes();
    finish(std::move(measured));
  }

  // Every way once, `rounds` times over.
  void turns(const std::string& block, const CountedWork& work, void (Blocks::*use)(const std::string&),
             const std::function<void()>& body, int rounds) {
    std::vector<BenchRow> rows;
    for (const std::string& way : ways_) rows.push_back(row(block, way, work));
    for (int round = 0; round < rounds; ++round) {
      for (BenchRow& row : rows) {
        (blocks_.*use)(row.way);
        if (row.way != kPlain) body();  // packs its weights
        reset_peak();
        row.seconds.push_back(timed(body));
        row.peak_bytes = std::max(row.peak_bytes, peak_bytes());
      }
    }
    for (BenchRow& row : rows) finish(std::move(row));
    const BenchRow* const plain = find(block, kPlain);
    for (const std::string& way : ways_)
      if (plain && way != kPlain)
        report_.speedup.emplace_back(block + " " + way, plain->median() / find(block, way)->median());
  }

  // Not run, which would take minutes: the sum of what it is made of.
  void plain_window() {
    const BenchRow* const step = find("U-Net step", kPlain);
    const BenchRow* const sound = find("vocoder", blocks_.has_bigvgan() ? kPlain : kFloat);
    if (!step || !sound) return;
    const double rest = find("front end", kFloat)->median() + find("condition", kFloat)->median();
    const double seconds = rest + blocks_.steps() * step->median() + sound->median();
    BenchRow sum = window_row(kPlain);
    sum.seconds = {seconds}, sum.summed = true;
    finish(std::move(sum));
    for (const std::string& way : ways_)
      if (way != kPlain) report_.speedup.emplace_back("window " + way, seconds / find("window", way)->median());
  }

  static double timed(const std::function<void()>& body) {
    Stopwatch watch;
    double seconds = 0;
    body();
    watch.lap(seconds);
    return seconds;
  }
  void finish(BenchRow row) {
    std::sort(row.seconds.begin(), row.seconds.end());
    show_(row);
    report_.rows.push_back(std::move(row));
  }
  const BenchRow* find(const std::string& block, const std::string& way) const {
    const auto found =
        std::ranges::find_if(report_.rows, [&](const auto& row) { return row.block == block && row.way == way; });
    return found == report_.rows.end() ? nullptr : &*found;
  }

  Blocks blocks_;
  const std::function<void(const BenchRow&)>& show_;
  std::vector<std::string> ways_;
  BenchReport& report_;
  CountedWork hear_work_, prior_work_, step_work_, sound_work_;
  torch::Tensor mu_, mel_, sound_;
  std::map<std::string, std::pair<torch::Tensor, torch::Tensor>> made_;
};

}  // namespace

void bench_paper(const Preset& preset, const BenchRequest& request, BenchReport& report,
                 const std::function<void(const BenchRow&)>& show) {
  return_large_blocks(preset);
  const torch::InferenceMode no_gradients;
  Bench(preset, request, report, show).run();
}

}  // namespace fastsag::model
