#pragma once
// How near a set of accompaniments is to the true ones: Fréchet distances over MERT's features, and over those of any
// other embedder, beside the control that everybody can make (RandSong: another song's accompaniment).
//
// Two things are compared: the accompaniments alone, and the mixes with their voices, which also ask whether the
// accompaniment belongs to the voice. Random songs out of the same set are the same set, so alone they are compared
// only where they come from elsewhere.
//
// Threads: one thread. Units: mono float samples at 24 kHz.
// Errors: fastsag::Error for weights that do not fit, clips too short, sounds that are not numbers.
// Source: Chen et al., FastSAG, IJCAI 2024, section 4; Kilgour et al. 2019; Gui et al. 2024 (MERT's layers).
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fastsag::model {

inline constexpr int kEvaluationRate = 24000;
inline constexpr int kSmallSet = 40;  // clips up to which an interval is computed: many more have a narrow one

struct EvaluationOptions {
  std::filesystem::path mert;      // either may be absent, not both
  std::filesystem::path embedder;  // TorchScript
  double embedder_rate = 0;        // 0: the embedder says
  std::filesystem::path vocoder;   // the true accompaniments go through it, as the paper's do
  std::string device = "cpu";
  int resamples = 40;  // of the bootstrap; 0: no interval
  uint64_t seed = 1;
};

struct EvaluationClip {
  std::string name;
  std::span<const float> vocals;  // empty: no mix is compared
  std::span<const float> truth, ours;
  std::span<const float> random;  // another song's accompaniment; empty: no control
  bool random_from_elsewhere = false;
};

struct Distance {
  double value = 0;
  std::optional<std::pair<double, double>> interval;  // 95 %, bootstrap over clips
};

struct EvaluationRow {
  std::string sound;                   // "accompaniment" or "mix"
  std::string features;                // "MERT layer 4", "MERT mean", the embedder's name
  int64_t frames = 0, dimensions = 0;  // of the smaller set
  Distance ours;
  std::optional<Distance> random;
};

struct EvaluationReport {
  int64_t clips = 0;
  double seconds = 0;  // of accompaniment
  std::vector<EvaluationRow> rows;
};

class Evaluator {
 public:
  virtual ~Evaluator() = default;
  // Clips have a second of sound at least; what is longer than the shortest of a clip's sounds is left out.
  virtual void add(const EvaluationClip& clip) = 0;
  virtual EvaluationReport report(const std::function<void(double)>& progress = {}) = 0;
};

std::unique_ptr<Evaluator> make_evaluator(const EvaluationOptions& options, int64_t clips);

}  // namespace fastsag::model
