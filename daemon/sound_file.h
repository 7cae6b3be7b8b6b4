#pragma once
// Sound files in and out, by libsndfile: any rate, any number of channels, any length.
//
// Threads: one thread an object. Units: mono float samples at the file's rate; channels are averaged.
// Errors: fastsag::Error that names the file and what is wrong with it: missing, empty, no sound, cut short, not a
// number.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace fastsag::daemon {

class SoundReader {
 public:
  explicit SoundReader(const std::filesystem::path& file);
  ~SoundReader();

  int sample_rate() const;
  int64_t samples() const;  // in all
  // The next samples; fewer than asked for only at the end, 0 after it.
  size_t read(std::span<float> mono);

 private:
  struct File;
  std::unique_ptr<File> file_;
};

// Written beside and renamed by finish(): there is never half a file. Without finish() there is none.
class SoundWriter {
 public:
  // By the ending: .wav and .aiff 24 bit, .flac 24 bit, .ogg Vorbis.
  SoundWriter(const std::filesystem::path& file, int sample_rate);
  ~SoundWriter();

  void write(std::span<const float> mono);
  void finish();

 private:
  struct File;
  std::unique_ptr<File> file_;
};

// Throws where SoundWriter would not know the format.
void check_sound_name(const std::filesystem::path& file);

}  // namespace fastsag::daemon
