#pragma once
// The one door between the daemon and the model: voice of the last ten seconds in, accompaniment of a span of the
// timeline out. It keeps no state of a room: what must be remembered travels in the request (the last plan, the last
// audio) and comes back in the result, so that rooms can be batched, moved and replayed.
//
// Threads: one at a time, prepare() and then generate(): another may load and prepare it than the generation thread,
// while a second accompanist plays (daemon/standby.h). No member blocks on anything else.
// Real-time: not for the audio callback: generate() takes tens to hundreds of milliseconds.
// Memory: the lite preset's piano asks nothing of the heap after the first windows of a song, where results are handed
// in again; a band and other presets do (docs/bench.md).
// Units: mono float samples at 24 kHz (kSampleRate), positions on the room's timeline (plan.h).
// Repeatable: the same requests give the same bytes on the same machine (another may find another precision faster).
// All chance is a function of (seed, absolute position), so windows that overlap agree where they know the same.
// Errors: fastsag::Error at load and prepare(); generate() throws only for a broken contract, numbers that are none, or
// a failed device (DeviceError).
// Source: Chen et al., FastSAG, IJCAI 2024 (semantic block, prior, EDM denoiser, vocoder).
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dsp/error.h"
#include "model/chart.h"
#include "model/ensemble.h"
#include "model/plan.h"

namespace fastsag::model {

// Said where somebody steers what has_plan() denies.
inline constexpr std::string_view kNeedsPlan =
    "plays without a plan of chords and notes, so key, chart, temperature, density, loudness and given notes change "
    "nothing; "
    "expected preset lite for them";

// What a person can set while it plays.
struct Controls {
  uint64_t seed = 1;
  std::optional<Pulse> pulse;  // from MIDI clock, tap or a number: wins over what the model hears
  float temperature = 0.95f;   // of note sampling: 0.5 plain .. 1.2 adventurous
  float density = 0;           // onsets a step relative to usual, -1..1; 0 = usual
  float loudness = 0;  // how hard notes are struck: -1 soft .. 1 loud; 0 = usual. The mixer's gain is another thing
  std::optional<Chord> key;  // locked: chords and notes outside it are not chosen
  std::shared_ptr<const Chart>
      chart;  // its chords in place of the model's; null: none (model/lite/steering.h: its time)
  Ensemble style = Ensemble::piano;
  // Played as it is, in place of what the model would write: of the whole song, its notes those of the style; null:
  // none.
  std::shared_ptr<const Plan> score;
};

// What a model keeps of a room beside its plan, so as not to work it out twice; only the model that made it reads it.
class RoomMemory {
 public:
  virtual ~RoomMemory() = default;
};

struct WindowRequest {
  // Voice, oldest first, that ends at voice_end; at most window_samples(). Shorter at the start of a song.
  std::span<const float> voice;
  int64_t voice_end = 0;
  // What to write: [write_begin, write_end). It may lie wholly before voice_end (delayed), or after (live).
  int64_t write_begin = 0;
  int64_t write_end = 0;
  // Notes that start before it have been played or are about to be: the model keeps those of `past` as they are and
  // writes its own from there on.
  int64_t known_end = 0;
  const Plan* past = nullptr;                // the plan of this room's last window, or null
  std::shared_ptr<const RoomMemory> memory;  // of this room's last window, or null: the same result, later
  // Up to ten seconds of accompaniment as it was written before, ending at played_end (>= write_begin): the vocoder
  // continues its phases, the paper's form imposes it on its window.
  // Empty where there is none.
  std::span<const float> played;
  int64_t played_end = 0;
  Controls controls;
};

// What one holds from a window before is written over; its memory serves again. Not the plan that the request names.
struct WindowResult {
  std::vector<float> audio;  // write_end - write_begin samples
  Plan plan;                 // of the whole window: past notes that still matter, and new ones up to write_end
  std::shared_ptr<const RoomMemory> memory;
  // Why this window could not be made (numbers that are none), for a person; empty: it could. Its neighbours in the
  // batch are whole.
  std::string error;
};

// Seconds that each part of the last generate() took; summed over rooms that were made side by side.
struct Timing {
  double front_end = 0, semantic = 0, prior = 0, denoiser = 0, vocoder = 0;
};

struct AccompanistOptions {
  std::string preset = "lite";       // a name under configs/presets, or a path to a .toml
  std::string device = "cpu";        // "cpu", "cuda", "cuda:1"
  std::optional<int> steps;          // EDM evaluations in place of the preset's
  std::filesystem::path preset_dir;  // where named presets lie; empty: beside the program, then the source tree
  int threads = 1;                   // CPU threads of one generate(); lite: rooms made side by side
  bool plain = false;  // every network an operator at a time, as PyTorch runs it: what fastsag bench compares with
};

// Thrown by generate() where the device cannot go on (lost, taken, its memory full): this window is not made, nor will
// the next be.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// How windows run on an accelerator: captured as CUDA graphs, or an operator at a time.
struct DeviceStatus {
  struct Graph {
    int rooms = 0;      // of the batch it was captured for
    int64_t bytes = 0;  // of device memory that it added; batches share what they can
  };
  std::string device = "cpu";
  std::vector<Graph> graphs;
  int64_t replayed = 0, eager = 0;  // batches so far, on an accelerator
  std::string why_eager;            // for a person, where graphs were wanted and could not be had
  std::string remark;               // on sizes of batches that do not fit or were not prepared; empty: none
  std::string fallback;             // why another preset plays in the device's place (daemon/standby.h); empty: none
  int64_t fallbacks = 0, returns = 0;
};

class Accompanist {
 public:
  virtual ~Accompanist() = default;
  // Allocates and warms up for this many windows at once.
  virtual void prepare(int max_batch) = 0;
  virtual void generate(std::span<const WindowRequest> requests, std::span<WindowResult> results) = 0;
  virtual const Timing& last_timing() const = 0;
  virtual int64_t window_samples() const = 0;
  // Windows of one generate() that are soonest ready together: more would make the first wait for the last.
  virtual int best_batch() const { return 1; }
  virtual DeviceStatus device_status() const { return {}; }  // generation thread
  virtual std::string_view preset() const = 0;
  // Whether it plays to a plan of chords and notes, which key, chart, density, loudness and temperature steer.
  virtual bool has_plan() const { return true; }
  // Whether it has all the instruments of it; one that it has not plays the piano.
  virtual bool can_play(Ensemble ensemble) const { return ensemble == Ensemble::piano; }
};

// Throws where it cannot play that.
void check_style(const Accompanist& accompanist, Ensemble style);

std::unique_ptr<Accompanist> load_accompanist(const AccompanistOptions& options);

}  // namespace fastsag::model
