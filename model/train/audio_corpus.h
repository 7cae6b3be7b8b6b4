#pragma once
// The rendered songs of a corpus as the audio parts see them, one instrument of them: notes in samples, mels from a
// cache that fills itself, stretches of the wave read from the file where it lies.
//
// The cache is NAME.mel16 (of the piano; else NAME_INSTRUMENT.mel16) in `mel_cache` under the corpus folder:
// [frames][100] fp16, normalised, mapped into memory and shared by all ranks. It is made on first use and again when
// the sound file is newer.
//
// Errors: AudioSong throws Error for a sound file that cannot be read, is not 24 kHz mono, is silent or ends seconds
// before its notes do; AudioCorpus leaves such songs out (left_out.h) and throws where none of a split remains.
#include <torch/torch.h>

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "model/lite/chance.h"
#include "model/train/corpus.h"

namespace fastsag::model {

class AudioSong {
 public:
  AudioSong(std::string name, std::filesystem::path sound, std::span<const SongNote> notes,
            std::filesystem::path cache);
  const std::string& name() const { return name_; }
  const std::vector<Note>& notes() const { return notes_; }
  int64_t frames() const { return frames_; }
  // [count][100] float.
  torch::Tensor mel(int64_t first_frame, int64_t count) const;
  // Samples [begin, begin + count); zeros beyond the file.
  std::vector<float> wave(int64_t begin, int64_t count) const;

 private:
  void check() const;
  torch::Tensor cached_mel() const;
  std::string name_;
  std::filesystem::path sound_, cache_;
  std::vector<Note> notes_;
  int64_t frames_;
  mutable torch::Tensor mel_;  // undefined until it is asked for
};

struct Crop {
  const AudioSong* song;
  int64_t first_frame;
};

class AudioCorpus {
 public:
  // instrument: "piano" is the accompaniment itself; others are parts of it (model/ensemble.h).
  AudioCorpus(const std::filesystem::path& folder, const std::string& split, const std::string& instrument = "piano");
  const std::vector<AudioSong>& songs() const { return songs_; }
  const AudioSong* find(const std::string& name) const;  // null: not rendered
  // Songs by their length, places evenly; songs shorter than the crop are left out.
  Crop crop(Chance& chance, int64_t frames) const;

 private:
  std::vector<AudioSong> songs_;
};

}  // namespace fastsag::model
