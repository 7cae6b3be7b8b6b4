#include "model/paper/bench_graphs.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "dsp/mel.h"
#include "dsp/tune.h"
#include "model/allocation_count.h"
#include "model/formula.h"
#include "model/kernel_times.h"
#include "model/paper/accompanist.h"
#include "model/paper/networks.h"
#include "model/paper/vocoder.h"
#include "model/stopwatch.h"
#include "model/work_counter.h"

namespace fastsag::model {
namespace {

const std::string kPlain = "plain", kHalf = "bf16";
constexpr int kFewest = 3, kMost = 200;
constexpr double kEach = .1;  // of the seconds asked for, for each way of a block

Preset in_precision(Preset preset, const std::string& way) {
  preset.precision = way == kHalf ? "bf16" : "fp32";
  return preset;
}

// All networks in one way, at work on tensors that stay.
class Way {
 public:
  Way(const std::string& way, const Preset& preset, const GraphBench& on)
      : name(way),
        preset_(in_precision(preset, way)),
        device_(on.device),
        networks_(preset_, on.device, plain(), on.way),
        vocoder_(load_vocoder(preset_, on.device, plain(), on.way)),
        stream_(on.stream()) {
    now([this] { make_inputs(); });
  }
  bool plain() const { return name == kPlain; }
  bool hears() const { return networks_.wants_features(); }
  bool sounds() const { return vocoder_->reach().has_value(); }

  // The blocks, each on what the one before it once made.
  void hear() {
    PaperMade made;
    networks_.hear(inputs_, made);
    features_ = made.features;
  }
  void condition() {
    PaperMade made;
    made.features = given_.features;
    networks_.condition(inputs_, made);
    mu_ = made.mu;
  }
  void walk(int steps) {
    PaperMade made;
    made.mu = given_.mu;
    networks_.set_steps(steps);
    networks_.sample(inputs_, made);
    mel = made.mel;
  }
  void render() { sound = vocoder_->render(given_.mel.narrow(2, 0, preset_.sizes.frames)); }
  void synthesize() {  // of a vocoder on the host
    const int64_t frames = preset_.sizes.frames;
    vocoder_->synthesize(given_.mel[0].narrow(1, 0, frames).t().cpu(), 0, 0, (frames - 1) * dsp::kMelHop, {});
  }

  // `work` as this way has it: recorded, or an operator at a time. Runs it once at least.
  Work ready(const std::string& block, Work work, BenchReport& report) {
    if (plain()) {
      stream_->run(work);
      return [this, work = std::move(work)] { stream_->run(work); };
    }
    graphs_.push_back(std::make_unique<DeviceGraph>(*stream_, std::move(work)));
    DeviceGraph* const graph = graphs_.back().get();
    if (!graph->recorded())
      report.remarks.push_back(block + " " + name + " is no graph (" + graph->why_eager() +
                               "): it ran an operator at a time");
    return [graph] { graph->run(); };
  }
  void now(const Work& work) {
    stream_->run(work);
    stream_->wait();
  }
  void wait() { stream_->wait(); }

  const std::string name;
  torch::Tensor mel, sound;  // of the last walk() and render(), to compare

 private:
  void make_inputs() {
    std::vector<float> voice = dsp::sung_tune(10 * kSampleRate);
    dsp::minmax_scale(voice);
    const PaperSizes& sizes = preset_.sizes;
    if (hears()) inputs_.heard = networks_.heard(voice).unsqueeze(0).to(device_);
    if (networks_.wants_mel()) inputs_.mel = mel_of(voice).narrow(1, 0, sizes.frames).unsqueeze(0).to(device_);
    inputs_.noise = formula_normal("bench.z", {1, sizes.width, sizes.bands}).to(device_);
    inputs_.known = torch::zeros({1, sizes.bands, sizes.width}).to(device_);
    inputs_.known_frames = torch::zeros({1, 1, sizes.width}).to(device_);
    networks_.hear(inputs_, given_);
    networks_.condition(inputs_, given_);
    given_.mel = formula_uniform("bench.mel", {1, sizes.bands, sizes.width}).to(device_);
  }

  const Preset preset_;
  const torch::Device device_;
  PaperNetworks networks_;
  std::unique_ptr<Vocoder> vocoder_;
  std::unique_ptr<GraphStream> stream_;  // waits for what was loaded before it
  PaperInputs inputs_;
  PaperMade given_;
  torch::Tensor features_, mu_;
  std::vector<std::unique_ptr<DeviceGraph>> graphs_;  // after what they read
};

// Ten seconds through the accompanist, as the daemon asks for them.
class Window {
 public:
  Window(const Way& way, const Preset& preset, const BenchRequest& request, const GraphBench& on)
      : voice_(dsp::sung_tune(10 * kSampleRate)),
        accompanist_(
            in_precision(preset, way.name),
            {.device = on.device.str(), .steps = request.steps, .threads = request.threads, .plain = way.plain()},
            way.plain() ? nullptr : on.stream()) {
    const int64_t end = accompanist_.window_samples();
    asked_ = {.voice = voice_, .voice_end = end, .write_begin = dsp::kMelHop, .write_end = end};
    accompanist_.prepare(1);
  }
  void run() { accompanist_.generate({&asked_, 1}, {&made_, 1}); }
  const std::string& why_eager() {
    status_ = accompanist_.device_status();
    return status_.why_eager;
  }

 private:
  const std::vector<float> voice_;
  PaperAccompanist accompanist_;
  WindowRequest asked_;
  WindowResult made_;
  DeviceStatus status_;
};

double snr_db(const torch::Tensor& truth, const torch::Tensor& made) {
  const auto power = [](const torch::Tensor& x) { return x.to(torch::kDouble).square().sum().item<double>(); };
  return 10 * std::log10(power(truth) / power(made.to(torch::kFloat) - truth.to(torch::kFloat)));
}

class Bench {
 public:
  Bench(const Preset& preset, const BenchRequest& request, const GraphBench& on, BenchReport& report,
        const std::function<void(const BenchRow&)>& show)
      : preset_(preset),
        request_(request),
        on_(on),
        steps_(request.steps.value_or(preset.denoiser.steps)),
        exact_(on.device.is_cuda() ? "tf32" : "fp32"),
        report_(report),
        show_(show) {
    for (const std::string& way : {kPlain, exact_, kHalf}) ways_.push_back(std::make_unique<Way>(way, preset, on));
    count();
    if (!request.baseline) ways_.erase(ways_.begin());
  }

  void run() {
    if (ways_.front()->hears()) block("front end", hear_, false, [](Way& way) { way.hear(); });
    block("condition", condition_, false, [](Way& way) { way.condition(); });
    block("U-Net step", step_, true, [](Way& way) { way.walk(1); });
    block("loop", step_.repeated(steps_), true, [this](Way& way) { way.walk(steps_); });
    if (ways_.front()->sounds())
      block("vocoder", sound_, true, [](Way& way) { way.render(); });
    else
      timed({row("vocoder", exact_, {}, false)}, {[this] { ways_.front()->synthesize(); }});
    compare();
    window();
    for (auto& way : ways_)
      if (!way->plain()) gaps(*way);
  }

 private:
  // As the modules define it.
  void count() {
    Way& plain = *ways_.front();
    const auto counted = [&plain](const Work& work) {
      const WorkCounter counter;
      plain.now(work);
      return counter.work();
    };
    hear_ = counted([&] { plain.hear(); });
    condition_ = counted([&] { plain.condition(); });
    step_ = counted([&] { plain.walk(1); });
    if (plain.sounds()) sound_ = counted([&] { plain.render(); });
  }

  // halved: stored in bf16 by that way.
  static BenchRow row(const std::string& block, const std::string& way, const CountedWork& work, bool halved) {
    return {.block = block, .way = way, .flop = work.flop, .bytes = work.bytes() / (halved && way == kHalf ? 2 : 1)};
  }

  // A row for every way; of blocks that precision does not change, none for bf16.
  void block(const std::string& name, const CountedWork& work, bool halved, const std::function<void(Way&)>& body) {
    std::vector<BenchRow> rows;
    std::vector<Work> bodies;
    for (const auto& way : ways_) {
      if (!halved && way->name == kHalf) continue;
      Way* const own = way.get();
      rows.push_back(row(name, own->name, work, halved));
      bodies.push_back([own, run = own->ready(
                                 name, [own, body] { body(*own); }, report_)] {
        run();
        own->wait();
      });
    }
    timed(std::move(rows), bodies);
  }

  void window() {
    std::vector<std::unique_ptr<Window>> windows;
    std::vector<BenchRow> rows;
    std::vector<Work> bodies;
    for (const auto& way : ways_) {
      Window* const own = windows.emplace_back(std::make_unique<Window>(*way, preset_, request_, on_)).get();
      BenchRow all{.block = "window", .way = way->name};
      for (const auto& [work, halved] :
           {std::pair{hear_, false}, {condition_, false}, {step_.repeated(steps_), true}, {sound_, true}}) {
        const BenchRow part = row({}, way->name, work, halved);
        all.flop += part.flop, all.bytes += part.bytes;
      }
      rows.push_back(std::move(all));
      bodies.push_back([own] { own->run(); });
      if (const std::string why = own->why_eager(); !why.empty())
        report_.remarks.push_back("window " + way->name + " is no graph (" + why + "): it ran an operator at a time");
    }
    timed(std::move(rows), bodies);
  }

  // Every row's body once, in turn, over and over. A body waits for the device.
  void timed(std::vector<BenchRow> rows, const std::vector<Work>& bodies) {
    for (const Work& body : bodies) body();
    const double most = request_.seconds * kEach * static_cast<double>(rows.size());
    double spent = 0;
    for (int i = 0; i < kMost && (i < kFewest || spent < most); ++i) {
      for (size_t k = 0; k < rows.size(); ++k) {
        reset_peak(on_.device);
        double seconds = 0;
        Stopwatch watch;
        bodies[k]();
        watch.lap(seconds);
        rows[k].seconds.push_back(seconds);
        rows[k].peak_bytes = std::max(rows[k].peak_bytes, peak_bytes(on_.device));
        spent += seconds;
      }
    }
    for (BenchRow& row : rows) std::sort(row.seconds.begin(), row.seconds.end());
    for (const BenchRow& row : rows) {
      if (rows.front().way == kPlain && row.way != kPlain)
        report_.speedup.emplace_back(row.block + " " + row.way, rows.front().median() / row.median());
      show_(row);
      report_.rows.push_back(row);
    }
  }

  // What bf16 costs: the same noise and condition through the loop, the same mel through the vocoder.
  void compare() {
    const Way &exact = *ways_[ways_.size() - 2], &half = *ways_.back();
    report_.bf16_snr = {{"mel", snr_db(exact.mel, half.mel)}};
    if (exact.sounds()) report_.bf16_snr.emplace_back("sound", snr_db(exact.sound, half.sound));
  }

  // Of a recording made after the profiler was set up, as older drivers want it.
  void gaps(Way& way) {
    if (!on_.device.is_cuda()) return;
    watched([&] { way.wait(); });
    const Work loop = way.ready(
        "loop", [&] { way.walk(steps_); }, report_);
    const std::optional<KernelTimes> times = watched([&] {
      loop();
      way.wait();
    });
    if (times)
      report_.gaps.push_back({way.name, times->kernels, times->busy, times->span});
    else
      report_.remarks.push_back(
          "launch gaps were not measured: the driver tells nothing of single kernels here (CUPTI)");
  }

  const Preset& preset_;
  const BenchRequest& request_;
  const GraphBench& on_;
  const int steps_;
  const std::string exact_;
  BenchReport& report_;
  const std::function<void(const BenchRow&)>& show_;
  std::vector<std::unique_ptr<Way>> ways_;  // plain, where it is asked for; exact; bf16
  CountedWork hear_, condition_, step_, sound_;
};

}  // namespace

void bench_graphs(const Preset& preset, const BenchRequest& request, const GraphBench& on, BenchReport& report,
                  const std::function<void(const BenchRow&)>& show) {
  const torch::InferenceMode no_gradients;
  Bench(preset, request, on, report, show).run();
}

}  // namespace fastsag::model
