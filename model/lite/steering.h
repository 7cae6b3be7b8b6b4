#pragma once
// What a person asked of the harmony: a chart's beats, a locked key.
//
// Bar 1 of a chart begins at the beat that is given (Pulse::number), else at the first sung note, or where the next
// note is written when something was played before the chart came; from then on beats are counted from window to
// window. Before bar 1 the chords are the model's own. A chart's tempo is the tempo where nobody gives a beat.
//
// Units: positions are samples at 24 kHz on the room's timeline.
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dsp/melody.h"
#include "model/accompanist.h"
#include "model/lite/steps.h"
#include "model/plan.h"

namespace fastsag::model {

// Where a window stands.
struct Moment {
  std::span<const dsp::MelodyNote> melody;
  const Plan* past = nullptr;
  int64_t known_end = 0;
};

// The chart's own tempo as a pulse; none where it names none or somebody gives a beat.
std::optional<Pulse> chart_pulse(const Controls& controls, const Moment& moment);
// The same pulse, its beats counted from bar 1 of the chart on and its bars the chart's.
// pulse.number stays empty while nobody has sung, and where there is no chart.
Pulse counted(Pulse pulse, const Controls& controls, const Moment& moment);

// The locked key, which may be the chart's own.
std::optional<Chord> locked_key(const Controls& controls);
// A bit for each triad_index(): those of the scale's notes, in minor also the major dominant; the diminished ones are
// left out.
uint32_t triads_of(const Chord& key);
// What adventurous harmony dares against the net's opinion, in nats [beat][triad]: another chance for every two seconds
// and triad. Empty up to the usual temperature.
dsp::Pooled<float> daring(const Controls& controls, std::span<const int64_t> beats);
// A bit for each pitch class of the scale (natural minor) and of the chord.
uint16_t pitch_classes(const Chord& key, const StepChord& chord);

}  // namespace fastsag::model
