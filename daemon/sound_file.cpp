#include "daemon/sound_file.h"

#include <unistd.h>
#include <sndfile.hh>

#include <algorithm>
#include <array>
#include <cmath>

#include "dsp/error.h"

namespace fastsag::daemon {
namespace {

// libsndfile believes the data where a header promises more; its log tells. Headers of streams promise everything.
bool cut_short(SndfileHandle& sound) {
  std::array<char, 16384> log{};
  sound.command(SFC_GET_LOG_INFO, log.data(), static_cast<int>(log.size()) - 1);
  const std::string text(log.data());
  for (size_t at = 0; (at = text.find("data : ", at)) != std::string::npos; ++at) {
    const size_t line_end = text.find('\n', at), found = text.find("(should be ", at);
    if (found > line_end || found == std::string::npos) continue;
    const auto promised = std::strtoull(text.c_str() + at + 7, nullptr, 10);
    const auto there = std::strtoull(text.c_str() + found + 11, nullptr, 10);
    if (promised > there && promised < 0x7fff0000) return true;
  }
  return false;
}

int written_format(const std::filesystem::path& file) {
  std::string ending = file.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (ending == ".wav") return SF_FORMAT_WAV | SF_FORMAT_PCM_24;
  if (ending == ".flac") return SF_FORMAT_FLAC | SF_FORMAT_PCM_24;
  if (ending == ".aiff" || ending == ".aif") return SF_FORMAT_AIFF | SF_FORMAT_PCM_24;
  if (ending == ".ogg") return SF_FORMAT_OGG | SF_FORMAT_VORBIS;
  throw Error("cannot tell the format of " + file.string() +
              "; expected a name that ends in .wav, .flac, .aiff or .ogg");
}

}  // namespace

void check_sound_name(const std::filesystem::path& file) { written_format(file); }

struct SoundReader::File {
  std::string name;
  SndfileHandle sound;
  int64_t position = 0;
  std::vector<float> block;
};

SoundReader::SoundReader(const std::filesystem::path& file) : file_(std::make_unique<File>()) {
  file_->name = file.string();
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) throw Error("no such file: " + file_->name);
  if (std::filesystem::is_directory(file, ignored)) throw Error(file_->name + " is a folder; expected a sound file");
  if (std::filesystem::file_size(file, ignored) == 0 && !ignored)
    throw Error(file_->name + " is empty; expected a sound file");
  file_->sound = SndfileHandle(file_->name);
  if (!file_->sound.rawHandle() || file_->sound.channels() < 1 || file_->sound.samplerate() < 1)
    throw Error(file_->name + " is no sound file that can be read (" + file_->sound.strError() +
                "); expected WAV, FLAC, AIFF, Ogg or MP3");
  if (file_->sound.frames() < 1) throw Error(file_->name + " holds no samples; expected a recording");
  if (cut_short(file_->sound))
    throw Error(file_->name + " is cut short: it holds less than its header promises; copy or export it again");
  file_->block.resize(static_cast<size_t>(4096 * file_->sound.channels()));
}

SoundReader::~SoundReader() = default;

int SoundReader::sample_rate() const { return file_->sound.samplerate(); }
int64_t SoundReader::samples() const { return file_->sound.frames(); }

size_t SoundReader::read(std::span<float> mono) {
  const auto channels = static_cast<size_t>(file_->sound.channels());
  size_t done = 0;
  while (done < mono.size() && file_->position < samples()) {
    const size_t wanted = std::min(
        {mono.size() - done, file_->block.size() / channels, static_cast<size_t>(samples() - file_->position)});
    const auto got = static_cast<size_t>(
        std::max<sf_count_t>(0, file_->sound.readf(file_->block.data(), static_cast<sf_count_t>(wanted))));
    if (got == 0)
      throw Error(file_->name + " is cut short: its header promises " + std::to_string(samples()) + " samples, " +
                  std::to_string(file_->position) + " can be read; copy or export it again");
    for (size_t i = 0; i < got; ++i) {
      float sum = 0;
      for (size_t c = 0; c < channels; ++c) sum += file_->block[i * channels + c];
      if (!std::isfinite(sum))
        throw Error(file_->name + ": sample " + std::to_string(file_->position + static_cast<int64_t>(i)) +
                    " is not a number; expected samples from -1 to 1");
      mono[done + i] = sum / static_cast<float>(channels);
    }
    done += got;
    file_->position += static_cast<int64_t>(got);
  }
  return done;
}

struct SoundWriter::File {
  std::filesystem::path path, beside;
  SndfileHandle sound;
};

SoundWriter::SoundWriter(const std::filesystem::path& file, int sample_rate) : file_(std::make_unique<File>()) {
  const int format = written_format(file);
  file_->path = file;
  file_->beside = file.string() + ".part" + std::to_string(::getpid());
  file_->sound = SndfileHandle(file_->beside.string(), SFM_WRITE, format, 1, sample_rate);
  if (!file_->sound.rawHandle())
    throw Error("cannot write " + file.string() + ": " + file_->sound.strError() +
                "; check the folder and the space left");
  file_->sound.command(SFC_SET_CLIPPING, nullptr, SF_TRUE);
}

SoundWriter::~SoundWriter() {
  if (!file_->sound.rawHandle()) return;
  file_->sound = SndfileHandle();
  std::error_code ignored;
  std::filesystem::remove(file_->beside, ignored);
}

void SoundWriter::write(std::span<const float> mono) {
  if (file_->sound.write(mono.data(), std::ssize(mono)) != std::ssize(mono))
    throw Error("cannot write " + file_->path.string() + ": " + file_->sound.strError() + "; check the space left");
}

void SoundWriter::finish() {
  file_->sound = SndfileHandle();  // closes it
  std::error_code error;
  std::filesystem::rename(file_->beside, file_->path, error);
  if (error) {
    std::filesystem::remove(file_->beside, error);
    throw Error("cannot write " + file_->path.string() + ": the finished file could not be put there");
  }
}

}  // namespace fastsag::daemon
