#include "tests/support/audio.h"

#include <sndfile.hh>

#include <stdexcept>

namespace fastsag::test {

Audio read_audio(const std::filesystem::path& file) {
  SndfileHandle sound(file.string());
  if (!sound) throw std::runtime_error("cannot read " + file.string() + ": " + sound.strError());
  std::vector<float> all(static_cast<size_t>(sound.frames() * sound.channels()));
  sound.readf(all.data(), sound.frames());
  Audio audio{std::vector<float>(static_cast<size_t>(sound.frames())), sound.samplerate()};
  for (size_t i = 0; i < audio.mono.size(); ++i)
    for (size_t c = 0; c < static_cast<size_t>(sound.channels()); ++c)
      audio.mono[i] += all[i * static_cast<size_t>(sound.channels()) + c] / static_cast<float>(sound.channels());
  return audio;
}

}  // namespace fastsag::test
