#pragma once
// The published model's front end: waveform -> log-mel, and the scalings around it.
//
// Shapes/units: 24 kHz mono; mel is [kMelBands][frames], row-major, natural log of the magnitude. Frame k is centred at
// sample 256 k + 128; n samples make n / 256 frames.
// Threads: free functions, callable from any. Real-time: allocates.
// Errors: fewer than 385 samples cannot be reflected at the edges: Error.
// Source: BigVGAN's meldataset.py and FastSAG's utils_d.py; the filterbank is Slaney's (Auditory Toolbox, 1998).
#include <cstdint>
#include <span>
#include <vector>

namespace fastsag::dsp {

inline constexpr int kMelBands = 100;
inline constexpr int kMelFft = 1024;
inline constexpr int kMelBins = kMelFft / 2 + 1;
inline constexpr int kMelHop = 256;
inline constexpr int kMelPad = (kMelFft - kMelHop) / 2;
inline constexpr double kMelSampleRate = 24000;

std::vector<float> mel(std::span<const float> wave);
inline int mel_frames(int64_t samples) { return static_cast<int>(samples / kMelHop); }

// [kMelBands][kMelBins].
std::span<const float> mel_basis();

// To what the model sees: the floor ln(1e-5) lands on -0.93. And back.
inline float normalise(float log_mel) { return (log_mel + 12) / 14 * 2 - 1; }
inline float denormalise(float model_mel) { return (model_mel + 1) / 2 * 14 - 12; }
void normalise(std::span<float> log_mel);
void denormalise(std::span<float> model_mel);

// In place: smallest sample to -0.8, largest to 0.8. A constant wave becomes zeros.
void minmax_scale(std::span<float> wave);

}  // namespace fastsag::dsp
