#pragma once
// A sung line of known pitch and time: eight harmonics with vibrato, slides and breath, at 24 kHz.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>
#include <span>
#include <vector>

namespace fastsag::test {

struct SungNote {
  double onset = 0, duration = 0;  // s
  double pitch = 60;               // MIDI key
};

struct Singing {
  double vibrato = 0;      // semitones, 5.5 Hz
  double slide_s = 0;      // time from the last pitch to the new one, where there is no rest between
  double noise_db = -200;  // white noise, relative to the tone's amplitude
  double level = 0.1;
  unsigned seed = 1;
};

inline std::vector<float> sung(std::span<const SungNote> notes, double seconds, const Singing& how = {}) {
  constexpr double kRate = 24000;
  std::vector<float> wave(static_cast<size_t>(seconds * kRate));
  std::mt19937 random(how.seed);
  std::normal_distribution<double> gauss(0, how.level * std::pow(10, how.noise_db / 20));
  double phase = 0;
  for (size_t n = 0; n < notes.size(); ++n) {
    const SungNote& note = notes[n];
    const bool slides = how.slide_s > 0 && n > 0 && notes[n - 1].onset + notes[n - 1].duration > note.onset - 1e-3;
    const auto begin = static_cast<size_t>(note.onset * kRate), length = static_cast<size_t>(note.duration * kRate);
    for (size_t i = 0; i < length && begin + i < wave.size(); ++i) {
      const double t = static_cast<double>(i) / kRate, left = note.duration - t;
      double pitch = note.pitch + how.vibrato * std::sin(2 * std::numbers::pi * 5.5 * t);
      if (slides && t < how.slide_s) pitch += (notes[n - 1].pitch - note.pitch) * (1 - t / how.slide_s);
      phase += 440 * std::exp2((pitch - 69) / 12) / kRate;
      double tone = 0;
      for (int h = 1; h <= 8; ++h) tone += std::sin(2 * std::numbers::pi * h * phase) / h;
      const double fade = std::min({1.0, slides ? 1.0 : t / 0.01, left / 0.01});
      wave[begin + i] += static_cast<float>(how.level * fade * tone);
    }
  }
  if (how.noise_db > -200)
    for (float& x : wave) x += static_cast<float>(gauss(random));
  return wave;
}

}  // namespace fastsag::test
