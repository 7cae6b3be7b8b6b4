#include "model/lite/steering.h"

#include <array>
#include <cmath>
#include <utility>

#include "model/lite/chance.h"

namespace fastsag::model {
namespace {

std::optional<int64_t> bar_one(const Moment& moment) {
  if (moment.past && !moment.past->notes.empty()) return moment.known_end;
  return moment.melody.empty() ? std::nullopt : std::optional(moment.melody.front().onset);
}

double beats_until(const Pulse& pulse, int64_t position) {
  return (static_cast<double>(position) - pulse.origin) / pulse.period;
}

const Pulse* counted_before(const Moment& moment) {
  return moment.past && moment.past->pulse.number && moment.past->pulse.period > 0 ? &moment.past->pulse : nullptr;
}

constexpr float kDaring = 4;             // nats a unit of temperature: 1 at "adventurous"
constexpr uint64_t kTriadChance = 1000;  // not what notes are drawn with
constexpr std::array kMajorScale = {0, 2, 4, 5, 7, 9, 11}, kMinorScale = {0, 2, 3, 5, 7, 8, 10};
// On the degrees of the scale: semitones above the tonic, and whether minor.
using Degree = std::pair<int, bool>;
constexpr std::array<Degree, 6> kMajorTriads = {{{0, false}, {2, true}, {4, true}, {5, false}, {7, false}, {9, true}}};
constexpr std::array<Degree, 7> kMinorTriads = {
    {{0, true}, {3, false}, {5, true}, {7, true}, {7, false}, {8, false}, {10, false}}};

}  // namespace

std::optional<Pulse> chart_pulse(const Controls& controls, const Moment& moment) {
  if (controls.pulse || !controls.chart || controls.chart->tempo_bpm <= 0) return std::nullopt;
  Pulse pulse{.period = 60.0 * kSampleRate / controls.chart->tempo_bpm,
              .beats_per_bar = controls.chart->beats_per_bar,
              .confidence = 1};
  if (const Pulse* before = counted_before(moment)) {
    const double beats = before->period == pulse.period ? 0 : std::ceil(beats_until(*before, moment.known_end));
    pulse.origin = before->origin + beats * before->period;
    pulse.number = *before->number + static_cast<int64_t>(beats);
  } else if (const auto begin = bar_one(moment)) {
    pulse.origin = static_cast<double>(*begin);
    pulse.number = 0;
  }
  return pulse;
}

Pulse counted(Pulse pulse, const Controls& controls, const Moment& moment) {
  if (!controls.chart) {
    pulse.number.reset();
    return pulse;
  }
  if (!pulse.number && controls.pulse) {
    pulse.number = 0;
  } else if (const Pulse* before = counted_before(moment); !pulse.number && before) {
    const double now = beats_until(*before, moment.known_end) + static_cast<double>(*before->number);
    pulse.number = std::llround(now - beats_until(pulse, moment.known_end));
  } else if (const auto begin = bar_one(moment); !pulse.number && begin) {
    pulse.number = -std::llround(beats_until(pulse, *begin));
  }
  if (pulse.number) {
    pulse.beats_per_bar = controls.chart->beats_per_bar;
    pulse.downbeat = -*pulse.number;
  }
  return pulse;
}

std::optional<Chord> locked_key(const Controls& controls) {
  if (controls.key) return controls.key;
  return controls.chart ? controls.chart->key : std::nullopt;
}

uint32_t triads_of(const Chord& key) {
  uint32_t triads = 0;
  const std::span<const Degree> degrees =
      key.quality == Quality::minor ? std::span<const Degree>(kMinorTriads) : kMajorTriads;
  for (const auto& [degree, minor] : degrees)
    triads |= 1u << triad_index({(key.root + degree) % 12, minor ? Quality::minor : Quality::major});
  return triads;
}

dsp::Pooled<float> daring(const Controls& controls, std::span<const int64_t> beats) {
  const float spread = kDaring * (controls.temperature - Controls{}.temperature);
  dsp::Pooled<float> nats;
  if (spread <= 0) return nats;
  for (const int64_t position : beats)
    for (uint64_t k = 0; k < kTriads; ++k) {
      Chance chance({controls.seed, static_cast<uint64_t>(position / (2 * kSampleRate)), kTriadChance + k});
      nats.push_back(static_cast<float>(chance.normal(spread)));
    }
  return nats;
}

uint16_t pitch_classes(const Chord& key, const StepChord& chord) {
  unsigned classes = 0;
  for (const int degree : key.quality == Quality::minor ? kMinorScale : kMajorScale)
    classes |= 1u << (key.root + degree) % 12;
  for (const int interval : {0, chord.quality == Quality::minor ? 3 : 4, 7})
    if (chord.quality != Quality::none) classes |= 1u << (chord.root + interval) % 12;
  return static_cast<uint16_t>(classes);
}

}  // namespace fastsag::model
