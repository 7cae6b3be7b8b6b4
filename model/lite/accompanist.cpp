#include "model/lite/accompanist.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "dsp/error.h"
#include "dsp/f0.h"
#include "dsp/mel.h"
#include "dsp/pulse.h"
#include "dsp/tune.h"
#include "model/checkpoint.h"
#include "model/edm.h"
#include "model/fft_batch.h"
#include "model/frame_noise.h"
#include "model/lite/arranger.h"
#include "model/lite/bars.h"
#include "model/lite/roll.h"
#include "model/lite/steering.h"
#include "model/stopwatch.h"

namespace fastsag::model {
namespace {

bool rests(const WindowRequest& request, const Plan& plan) {
  constexpr int64_t kLongestRelease = 2 * kSampleRate;
  return std::ranges::none_of(plan.notes, [&](const Note& note) {
    return note.onset < request.write_end && note.release + kLongestRelease > request.write_begin;
  });
}

// Notes at the window's beginning have lost theirs: those stay as they were heard before.
void remember(Heard& heard, const Plan* past, int64_t voice_begin, int64_t voice_end) {
  constexpr int64_t kMemory = 90 * kSampleRate, kEdge = kSampleRate / 2;
  heard.sung_from = voice_begin;
  int64_t fresh_from = voice_begin;
  if (past && !past->sung.empty()) {
    heard.sung_from = std::max(past->sung_from, voice_end - kMemory);
    fresh_from += kEdge;
    for (const auto& note : past->sung)
      if (note.onset >= heard.sung_from && note.onset < fresh_from) heard.sung.push_back(note);
  }
  for (const auto& note : heard.melody) {
    if (note.onset < fresh_from) continue;
    if (!heard.sung.empty()) heard.sung.back().release = std::min(heard.sung.back().release, note.onset);
    heard.sung.push_back(note);
  }
}

}  // namespace

Heard listen(const WindowRequest& request, LiteMemory& memory) {
  // Frames lie where they lay in the window before.
  const int64_t whole = request.voice_end - std::ssize(request.voice);
  const int64_t begin = std::min(request.voice_end, (whole + dsp::kF0Hop - 1) / dsp::kF0Hop * dsp::kF0Hop);
  const auto voice = request.voice.subspan(static_cast<size_t>(begin - whole));
  Heard heard;
  const auto f0 = dsp::track_f0(voice, begin, memory.f0);
  constexpr float kFadeDb = 0.2f;  // a window: who comes back from a rest, or goes on softly, is heard again
  heard.singer_db = request.past ? request.past->singer_db - kFadeDb : dsp::kNobody;
  heard.melody = dsp::segment_melody(f0, begin, heard.singer_db);
  heard.singer_db = std::max(heard.singer_db, dsp::loud_db(f0));
  heard.tuning = dsp::estimate_tuning(f0);
  remember(heard, request.past, begin, request.voice_end);
  if (request.controls.pulse) {
    heard.pulse = *request.controls.pulse;
    heard.given = true;
    return heard;
  }
  if (const auto pulse = chart_pulse(request.controls, {heard.melody, request.past, request.known_end})) {
    heard.pulse = *pulse;
    heard.given = true;
    return heard;
  }
  std::optional<dsp::PulseEstimate> previous;
  if (request.past && request.past->pulse.period > 0) {
    const Pulse& past = request.past->pulse;
    previous = {past.period, past.origin, past.confidence};
  }
  const auto pulse = dsp::estimate_pulse(voice, heard.melody, begin, previous);
  heard.pulse = {.period = pulse.period, .origin = pulse.origin, .confidence = pulse.confidence};
  return heard;
}

LiteAccompanist::LiteAccompanist(const Preset& preset, const AccompanistOptions& options)
    : preset_(preset), threads_(options.threads), plain_(options.plain) {
  torch::set_num_threads(options.threads);
  const SafetensorsFile file(preset_.weights);
  std::vector<PrefixedModule> modules = {
      PrefixedModule{"beat", semantic_.beat_net.get()},       PrefixedModule{"chord", semantic_.chord_net.get()},
      PrefixedModule{"note", semantic_.note_generator.get()}, PrefixedModule{"prior", renderer_.get()},
      PrefixedModule{"diffusion", piano_.denoiser.get()},     PrefixedModule{"magnitude", piano_.magnitude_net.get()}};
  // Weights that know of a piano alone are whole.
  const auto holds = [&](const std::string& prefix) {
    return std::ranges::any_of(file.header().tensors, [&](const auto& t) { return t.name.starts_with(prefix + "."); });
  };
  for (const Instrument& instrument : kFurtherInstruments) {
    const std::string prefix = "prior_" + std::string(instrument.name);
    if (!holds(prefix)) continue;
    further_.push_back({instrument});
    modules.push_back({prefix, further_.back().renderer.get()});
  }
  if (holds("diffusion_band"))
    modules.push_back({"diffusion_band", band_.denoiser.get()});
  else
    band_.denoiser = nullptr;  // the piano's does harm: it takes drums for errors (docs/SOUND.md)
  if (holds("magnitude_band"))
    modules.push_back({"magnitude_band", band_.magnitude_net.get()});
  else
    band_.magnitude_net = piano_.magnitude_net;
  load_modules(modules, file);
  for (const PrefixedModule& entry : modules) entry.module->eval();
  if (options.steps) preset_.denoiser.steps = preset_.denoiser.band_steps = *options.steps;
  if (!options.plain) pack(fastest_precision());
}

void LiteAccompanist::pack(Precision precision) {
  semantic_.beat_net->prepare(precision);
  semantic_.chord_net->prepare(precision);
  semantic_.note_generator->prepare(precision);
  renderer_->prepare(precision);
  for (Further& further : further_) further.renderer->prepare(precision);
  for (Finish* finish : {&piano_, &band_}) {
    if (const EdmOptions edm = edm_options(*finish); edm.steps > 0)
      finish->walk.emplace(finish->denoiser, edm, precision,
                           finish == &band_ ? grain_share() : std::span<const float>());
    finish->magnitude_net->prepare(precision);
  }
}

void LiteAccompanist::prepare(int max_batch) {
  // Torch builds its kernels at first use; a tune makes it use all of them.
  const std::vector<float> voice = dsp::sung_tune(window_samples());
  const WindowRequest request{.voice = voice,
                              .voice_end = window_samples(),
                              .write_begin = window_samples() - 2 * kSampleRate,
                              .write_end = window_samples() + kSampleRate / 2,
                              .known_end = window_samples() - 2 * kSampleRate};
  const std::vector<WindowRequest> requests(static_cast<size_t>(std::max(max_batch, 1)), request);
  std::vector<WindowResult> results(requests.size());
  generate(requests, results);
}

LiteAccompanist::Frames LiteAccompanist::frames_of(const WindowRequest& request) {
  const auto floor_div = [](int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); };
  const int64_t first = floor_div(request.write_begin, kFrameHop) - LiteVocoder::kContext;
  const int64_t last = floor_div(request.write_end + kFrameHop - 1, kFrameHop) + LiteVocoder::kContext;
  return {first, last - first};
}

// Instruments that have nothing to play cost nothing.
dsp::Pooled<float> LiteAccompanist::render_notes(const Plan& plan, const Frames& frames) {
  dsp::Pooled<dsp::Pooled<float>> mels;
  dsp::Pooled<double> levels;
  const auto add = [&](NoteRenderer& renderer, int channel, double level_db) {
    dsp::Pooled<Note> notes;
    std::ranges::copy_if(plan.notes, std::back_inserter(notes),
                         [channel](const Note& note) { return note.channel == channel; });
    if (notes.empty() && channel != kPianoChannel) return;
    dsp::Pooled<float> roll(static_cast<size_t>(frames.count * kRollWidth));
    add_to_roll(notes, frames.first, roll);
    renderer->mu(roll, mels.emplace_back(static_cast<size_t>(frames.count * dsp::kMelBands)));
    levels.push_back(level_db);
  };
  add(renderer_, kPianoChannel, 0);
  for (Further& further : further_) add(further.renderer, further.instrument.channel, further.instrument.level_db);
  if (mels.size() > 1) mix_mels(mels, levels, mels.front());
  return std::move(mels.front());
}

bool LiteAccompanist::can_play(Ensemble ensemble) const {
  return std::ranges::all_of(kFurtherInstruments, [&](const Instrument& wanted) {
    return !plays(ensemble, wanted.channel) ||
           std::ranges::any_of(further_, [&](const Further& f) { return f.instrument.channel == wanted.channel; });
  });
}

// No steps: no denoiser.
EdmOptions LiteAccompanist::edm_options(const Finish& finish) const {
  EdmOptions edm = lite_edm_options();
  edm.sigma_max = preset_.denoiser.sigma_max;
  edm.steps = &finish == &band_ ? preset_.denoiser.band_steps : preset_.denoiser.steps;
  if (finish.denoiser.is_empty()) edm.steps = 0;
  return edm;
}

// The denoiser's mel in place of the prior's.
void LiteAccompanist::refine(const WindowRequest& request, const Frames& frames, std::span<float> mel) const {
  const Finish& finish = finish_of(request);
  const EdmOptions edm = edm_options(finish);
  if (edm.steps <= 0) return;
  dsp::Pooled<float> noise(mel.size());
  fill_frame_noise(noise, request.controls.seed, frames.first);
  if (finish.walk) return (*finish.walk)(mel, noise);
  Denoiser denoiser = finish.denoiser;
  const auto network = [&denoiser](auto&&... in) { return denoiser->forward(in...); };
  const auto rows = [&](float* data) { return torch::from_blob(data, {1, frames.count, dsp::kMelBands}); };
  const torch::Tensor mu = rows(mel.data()), refined = edm_sample(edm, network, rows(noise.data()), {}, mu);
  mu.copy_(&finish == &band_ ? with_grain(mu, refined) : refined);
}

void LiteAccompanist::compose(const WindowRequest& request, LiteMemory& memory, Plan& plan, Timing& timing) {
  Stopwatch watch;
  const Heard heard = listen(request, memory);
  const int64_t voice_begin = request.voice_end - std::ssize(request.voice);
  const Pulse pulse = with_bars(semantic_.beat_net, {heard.melody, voice_begin, request.voice_end}, heard.pulse,
                                request.past ? &request.past->pulse : nullptr, heard.given);
  watch.lap(timing.front_end);
  semantic_.plan({.melody = heard.sung,
                  .voice_begin = heard.sung_from,
                  .voice_end = request.voice_end,
                  .tuning = heard.tuning,
                  .pulse = pulse,
                  .past = request.past,
                  .known_end = request.known_end,
                  .write_end = request.write_end,
                  .controls = request.controls},
                 plan);
  if (can_play(request.controls.style))
    arrange(plan, {.ensemble = request.controls.style,
                   .seed = request.controls.seed,
                   .density = request.controls.density,
                   .loudness = request.controls.loudness,
                   .known_end = request.known_end,
                   .write_end = request.write_end});
  plan.sung.assign(heard.sung.begin(), heard.sung.end());
  plan.sung_from = heard.sung_from;
  plan.singer_db = heard.singer_db;
  watch.lap(timing.semantic);
}

void LiteAccompanist::play(const WindowRequest& request, WindowResult& result, Timing& timing) {
  // As much as a busy song comes to, so that it need not grow.
  constexpr size_t kMostNotes = 1024, kMostChords = 128, kMostSung = 2048;
  result.plan.notes.reserve(kMostNotes);
  result.plan.chords.reserve(kMostChords);
  result.plan.sung.reserve(kMostSung);
  result.memory.reset();
  result.error.clear();
  if (request.controls.score) {
    result.plan = excerpt(*request.controls.score, request.write_begin - window_samples(), request.write_end);
  } else {
    const auto* past = plain_ ? nullptr : dynamic_cast<const LiteMemory*>(request.memory.get());
    const auto memory = std::allocate_shared<LiteMemory>(dsp::PoolAllocator<LiteMemory>());
    if (past) *memory = *past;
    compose(request, *memory, result.plan, timing);
    result.memory = memory;
  }
  result.audio.assign(static_cast<size_t>(request.write_end - request.write_begin), 0.0f);
  if (rests(request, result.plan)) return;
  const Frames frames = frames_of(request);
  Stopwatch watch;
  dsp::Pooled<float> mel = render_notes(result.plan, frames);
  watch.lap(timing.prior);
  refine(request, frames, mel);
  watch.lap(timing.denoiser);
  thread_local TorchFftBatch fft(dsp::kMelFft);
  LiteVocoder(finish_of(request).magnitude_net, {.griffin_lim = preset_.vocoder.griffin_lim, .fft = &fft})
      .synthesize(mel, frames.first, request.write_begin, {request.played, request.played_end}, result.plan.notes,
                  result.audio);
  watch.lap(timing.vocoder);
}

// Rooms side by side, as many as there are threads; a room stays on its thread.
void LiteAccompanist::generate(std::span<const WindowRequest> requests, std::span<WindowResult> results) {
  if (requests.size() != results.size()) throw Error("generate() wants one result a request");
  const torch::InferenceMode no_gradients;
  timing_ = {};
  if (requests.size() == 1 || threads_ == 1 || plain_) {
    for (size_t i = 0; i < requests.size(); ++i) play(requests[i], results[i], timing_);
    return;
  }
  dsp::Pooled<Timing> timings(requests.size());
  at::parallel_for(0, std::ssize(requests), 1, [&](int64_t begin, int64_t end) {
    const torch::InferenceMode no_gradients_here;
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
      play(requests[i], results[i], timings[i]);
  });
  for (const Timing& one : timings) {
    timing_.front_end += one.front_end;
    timing_.semantic += one.semantic;
    timing_.prior += one.prior;
    timing_.denoiser += one.denoiser;
    timing_.vocoder += one.vocoder;
  }
}

}  // namespace fastsag::model
