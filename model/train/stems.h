#pragma once
// Songs as two stems, and the clips of them that FastSAG is trained on: ten seconds in which both stems are loud
// enough.
//
// Accepted as they come: NAME_vocals.EXT with NAME_no_vocals.EXT, and Demucs' own folders, NAME/vocals.EXT with
// NAME/no_vocals.EXT, at any depth, any format and rate that libsndfile reads. Songs are cut into whole pieces of ten
// seconds; one with less than two pieces is a clip that is cropped anew each time.
// Splits: as NAME.json beside says where there is one; else every 20th song by name validates.
// Levels of all pieces are measured once and kept in clip_levels.cache of the folder.
// Left out and told (left_out.h): a stem without its other one or that cannot be read to its end, stems of different
// rates, what one stem is longer than the other, songs without a clip.
// Errors: fastsag::Error for a folder with no clip.
// Source: REFERENCE.md section 10.
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace fastsag::model {

inline constexpr int64_t kClipSeconds = 10;

struct Stems {
  std::string name;  // its place below the folder
  std::filesystem::path vocals, no_vocals;
  int64_t rate = 0, samples = 0;  // of the shorter one
};
// Ordered by name. Other files are not looked at.
std::vector<Stems> find_stems(const std::filesystem::path& folder);

// Mean over channels of [begin, begin + count).
std::vector<float> read_mono(const std::filesystem::path& file, int64_t begin, int64_t count);

// Is a piece of this RMS loud enough? -25 dB: as the paper means it (20 lg RMS), or as its code computes it
// (10 ln RMS, which is -21.7 dB).
bool loud_enough(double rms, bool paper_level);

struct Clip {
  const Stems* song = nullptr;
  int64_t begin = 0, samples = 0;  // at the song's rate; ten seconds or more
};

class StemCorpus {
 public:
  StemCorpus(const std::filesystem::path& folder, bool paper_level);
  StemCorpus(const StemCorpus&) = delete;  // clips point into it
  StemCorpus& operator=(const StemCorpus&) = delete;

  const std::vector<Stems>& songs() const { return songs_; }
  const std::vector<Clip>& train() const { return train_; }
  const std::vector<Clip>& validate() const { return validate_; }

 private:
  std::vector<Stems> songs_;
  std::vector<Clip> train_, validate_;
};

}  // namespace fastsag::model
