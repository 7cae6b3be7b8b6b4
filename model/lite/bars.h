#pragma once
// Which 16th of a pulse is the beat, and which beat the bar's first: what the beat net makes of the sung line, gathered
// over the windows of a room so that one odd phrase does not turn everything around.
#include <span>

#include "dsp/melody.h"
#include "model/nn/beat_net.h"
#include "model/plan.h"

namespace fastsag::model {

struct SungLine {
  std::span<const dsp::MelodyNote> melody;
  int64_t begin = 0, end = 0;  // where the voice is known; positions
};

// `found`: period and origin right up to a 16th, as from dsp::estimate_pulse, or given from outside (its beat then
// stays). `past`: the room's last pulse, or null. Returns it with its beat, and its bars where they are clear enough.
Pulse with_bars(BeatNet& net, const SungLine& line, Pulse found, const Pulse* past, bool given);

}  // namespace fastsag::model
