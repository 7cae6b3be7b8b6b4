#include "model/train/mixes.h"

#include <algorithm>
#include <cmath>

namespace fastsag::model {

std::vector<float> Mix::wave(int64_t begin, int64_t count) const {
  std::vector<float> sum(static_cast<size_t>(count));
  for (const Stem& stem : stems) {
    const auto gain = static_cast<float>(std::pow(10, stem.level_db / 20));
    const std::vector<float> own = stem.song->wave(begin, count);
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += gain * own[i];
  }
  return sum;
}

Mix Mixes::draw(bool training, Chance& chance, int64_t frames, std::optional<Ensemble> ensemble,
                double spread_db) const {
  const auto split = [training](const SharedAudio& audio) -> const AudioCorpus& {
    return training ? audio->train : audio->validate;
  };
  const Crop crop = split(piano_).crop(chance, frames);
  const auto level = [&](double db) { return spread_db > 0 ? db + chance.uniform(-spread_db, spread_db) : db; };
  Mix mix{{{crop.song, kPianoChannel, 0}}, crop.first_frame};
  const Ensemble players = ensemble ? *ensemble : static_cast<Ensemble>(chance.below(kEnsembles.size()));
  for (size_t i = 0; i < further_.size(); ++i) {
    const Instrument& instrument = kFurtherInstruments[i];
    if (!further_[i] || !plays(players, instrument.channel)) continue;
    const AudioSong* song = split(further_[i]).find(crop.song->name());
    if (song && crop.first_frame + frames <= song->frames())
      mix.stems.push_back({song, instrument.channel, level(instrument.level_db)});
  }
  return mix;
}

std::vector<SharedAudio> further_stems(const std::filesystem::path& folder) {
  std::vector<SharedAudio> stems;
  for (const Instrument& instrument : kFurtherInstruments) {
    const std::string name(instrument.name), ending = "_" + name + ".flac";
    const bool any = std::ranges::any_of(std::filesystem::directory_iterator(folder), [&](const auto& entry) {
      return entry.path().filename().string().ends_with(ending);
    });
    stems.push_back(any ? std::make_shared<AudioSplits>(folder, name) : nullptr);
  }
  return stems;
}

}  // namespace fastsag::model
