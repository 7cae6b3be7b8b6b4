#pragma once
// The beat behind an unaccompanied voice: period and phase of the steady grid that explains its note onsets best. The
// grid of 16ths is meant to be right first; which of its lines is the beat is a best guess.
//
// Units: samples at 24 kHz, positions absolute; fractional, so that a grid does not drift over an hour.
#include <cstdint>
#include <optional>
#include <span>

#include "dsp/melody.h"

namespace fastsag::dsp {

struct PulseEstimate {
  double period = 14400;  // samples a beat; 14400 = 100 bpm
  double origin = 0;      // position of one beat
  float confidence = 0;   // 0 = free running .. 1; over windows it grows as long as they agree
};

// voice: up to 10 s that start at first_position (only looked at where there are hardly any notes: speech, claps);
// notes: its melody (segment_melody). With a previous estimate, tempo and phase only change where another grid explains
// the onsets clearly better; else the grid is nudged towards them, or kept as it is where there are none. Another of
// the same 16ths as the beat is no other grid: the previous beat stays.
PulseEstimate estimate_pulse(std::span<const float> voice, std::span<const MelodyNote> notes, int64_t first_position,
                             const std::optional<PulseEstimate>& previous = std::nullopt);

}  // namespace fastsag::dsp
