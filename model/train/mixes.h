#pragma once
// Songs as an ensemble plays them: the stems of the corpus together, in all the combinations that a person can ask for.
// The denoiser and the vocoder come after the mix, so they learn from mixes.
//
// A corpus whose songs were rendered without parts is piano alone.
#include <memory>
#include <optional>
#include <vector>

#include "model/ensemble.h"
#include "model/train/audio_corpus.h"

namespace fastsag::model {

struct AudioSplits {
  AudioCorpus train, validate;
  explicit AudioSplits(const std::filesystem::path& folder, const std::string& instrument = "piano")
      : train(folder, "train", instrument), validate(folder, "validate", instrument) {}
};
using SharedAudio = std::shared_ptr<const AudioSplits>;  // one a process: all parts read the same songs

struct Stem {
  const AudioSong* song;
  int channel;
  double level_db;
};
struct Mix {
  std::vector<Stem> stems;  // the piano first
  int64_t first_frame = 0;
  std::vector<float> wave(int64_t begin, int64_t count) const;  // positions in the song
};

class Mixes {
 public:
  // further: of kFurtherInstruments, in that order; null where the corpus has none.
  Mixes(SharedAudio piano, std::vector<SharedAudio> further) : piano_(std::move(piano)), further_(std::move(further)) {}
  const SharedAudio& piano() const { return piano_; }

  // A crop of the split by an ensemble: the one given, or any. `spread_db`: by how much each stem's level may differ
  // from the mix's own.
  Mix draw(bool training, Chance& chance, int64_t frames, std::optional<Ensemble> ensemble, double spread_db) const;

 private:
  SharedAudio piano_;
  std::vector<SharedAudio> further_;
};

// What corpus folder holds of kFurtherInstruments.
std::vector<SharedAudio> further_stems(const std::filesystem::path& folder);

}  // namespace fastsag::model
