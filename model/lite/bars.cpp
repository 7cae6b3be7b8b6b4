#include "model/lite/bars.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "model/lite/steps.h"

namespace fastsag::model {
namespace {

using Places = std::array<float, kBarSteps>;

constexpr float kKept = .85f, kNew = .5f;  // windows overlap: each tells little that the last did not
constexpr float kTurnNats = 1;             // nats by which another 16th must be the likelier beat to become it
constexpr float kClear = .6f;              // probability from which on a bar's beginning is one
constexpr double kSameTempo = .02, kSameLine = .2;
constexpr int kFewest = 4;  // notes

size_t wrapped(int64_t place) { return static_cast<size_t>(((place % kBarSteps) + kBarSteps) % kBarSteps); }

// The same evidence about the line `steps` 16ths further on.
Places moved(const Places& places, int64_t steps) {
  Places out{};
  for (int64_t k = 0; k < kBarSteps; ++k) out[wrapped(k + steps)] = places[wrapped(k)];
  return out;
}

// What is remembered of the past about the line at `pulse`'s origin; nothing where the grid is another one.
Places remembered(const Pulse& pulse, const Pulse* past) {
  if (!past || past->period <= 0 || std::abs(pulse.period / past->period - 1) > kSameTempo) return {};
  const double steps = (pulse.origin - past->origin) / pulse.period * kStepsPerBeat;
  const double whole = std::round(steps);
  return std::abs(steps - whole) > kSameLine ? Places{} : moved(past->places, static_cast<int64_t>(whole));
}

// ln p of the line at origin, from this window alone.
Places heard(BeatNet& net, const SungLine& line, const Pulse& pulse) {
  const double step = pulse.period / kStepsPerBeat;
  const auto first =
      static_cast<int64_t>(std::ceil((static_cast<double>(line.end) - pulse.origin) / step)) - kWindowSteps;
  const auto at = [&](int64_t position) {
    return (static_cast<double>(position) - pulse.origin) / step - static_cast<double>(first);
  };
  StepWindow window;
  for (const auto& note : line.melody)
    window.melody.push_back({at(note.onset), at(note.release), static_cast<int>(std::lround(note.pitch)), 80});
  window.voice_begin = at(line.begin);
  window.voice_end = at(line.end);
  return moved(net->places(beat_features(window)), -first);
}

// ln of the sum of the places that are `beat` 16ths after a beat.
float of_beat(const Places& places, int beat) {
  const float top = *std::ranges::max_element(places);
  float sum = 0;
  for (int k = beat; k < kBarSteps; k += kStepsPerBeat) sum += std::exp(places[static_cast<size_t>(k)] - top);
  return top + std::log(sum);
}

}  // namespace

Pulse with_bars(BeatNet& net, const SungLine& line, Pulse found, const Pulse* past, bool given) {
  Places places = remembered(found, past);
  const bool known = places != Places{};
  if (std::ssize(line.melody) >= kFewest) {
    const Places now = heard(net, line, found);
    for (size_t k = 0; k < places.size(); ++k) places[k] = kKept * places[k] + kNew * now[k];
  }
  if (!given) {
    int late = 0;  // 16ths that the origin is after its beat
    for (int beat = 1; beat < kStepsPerBeat; ++beat)
      if (of_beat(places, beat) > of_beat(places, late)) late = beat;
    if (known && of_beat(places, late) - of_beat(places, 0) < kTurnNats) late = 0;
    const int steps = late == 3 ? 1 : -late;  // to the nearest beat
    found.origin += steps * found.period / kStepsPerBeat;
    places = moved(places, steps);
  }
  found.places = places;
  if (found.beats_per_bar > 0) return found;
  const float all = of_beat(places, 0);
  for (int beat = 0; beat < kBarSteps / kStepsPerBeat; ++beat) {
    if (std::exp(places[static_cast<size_t>(beat * kStepsPerBeat)] - all) < kClear) continue;
    found.beats_per_bar = kBarSteps / kStepsPerBeat;
    found.downbeat = -beat;
  }
  return found;
}

}  // namespace fastsag::model
