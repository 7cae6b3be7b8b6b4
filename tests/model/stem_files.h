#pragma once
// Stems for tests: a tone, from some place on twice as loud.
#include <cmath>
#include <filesystem>
#include <numbers>
#include <sndfile.hh>
#include <vector>

namespace fastsag::test {

inline void write_stem(const std::filesystem::path& file, double seconds, int rate = 24000, double amplitude = .3,
                       int channels = 1, double louder_from = 1e9, double hertz = 220) {
  std::filesystem::create_directories(file.parent_path());
  const int format = file.extension() == ".flac" ? SF_FORMAT_FLAC : SF_FORMAT_WAV;
  SndfileHandle sound(file.string(), SFM_WRITE, format | SF_FORMAT_PCM_16, channels, rate);
  std::vector<float> samples;
  const auto count = static_cast<int64_t>(seconds * rate);
  for (int64_t i = 0; i < count; ++i) {
    const double t = static_cast<double>(i) / rate;
    const double gain = t >= louder_from ? 2 * amplitude : amplitude;
    const double phase = 2 * std::numbers::pi * hertz * t;
    for (int c = 0; c < channels; ++c) samples.push_back(static_cast<float>(gain * std::sin(phase)));
  }
  sound.writef(samples.data(), count);
}

}  // namespace fastsag::test
