#pragma once
// The voice or the accompaniment as 84 semitone bands, C1 to B7: what the harmony nets see.
//
// Shapes/units: 24 kHz mono; the result is [kSemitoneBands][frames], row-major, .5 log10(1 + 10 a), where a is the
// band's magnitude in an unscaled STFT (a sine of amplitude A reads about 1024 A). Frame k is centred on the samples
// [1024 k, 1024 k + 1024), which are mel frames 4 k to 4 k + 3; beyond the wave's ends is silence.
// Threads: free functions, callable from any. Real-time: allocates.
#include <cstdint>
#include <span>
#include <vector>

namespace fastsag::dsp {

inline constexpr int kSemitoneBands = 84;
inline constexpr int kSemitoneFirstKey = 24;  // MIDI, C1
inline constexpr int kSemitoneHop = 1024;

std::vector<float> semitones(std::span<const float> wave);
inline int semitone_frames(int64_t samples) { return static_cast<int>(samples / kSemitoneHop); }

}  // namespace fastsag::dsp
