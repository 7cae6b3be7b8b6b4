#include "model/train/stems.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <future>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "dsp/error.h"
#include "model/atomic_file.h"
#include "model/train/left_out.h"
#include "model/train/open_sound.h"

namespace fastsag::model {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kValidateEvery = 20;
constexpr double kUnequal = .1;  // seconds: some codecs' padding is less

bool is_sound(const fs::path& file) {
  static const std::vector<std::string> kEndings = {".wav", ".flac", ".aiff", ".ogg", ".mp3", ".opus"};
  return std::ranges::find(kEndings, file.extension().string()) != kEndings.end();
}

Stems stems_of(const fs::path& folder, const fs::path& no_vocals) {
  constexpr std::string_view kEnding = "no_vocals";
  const std::string stem = no_vocals.stem().string();
  const std::string start = stem.substr(0, stem.size() - kEnding.size());  // "NAME_", or nothing in Demucs' folders
  Stems stems;
  stems.no_vocals = no_vocals;
  stems.vocals = no_vocals.parent_path() / (start + "vocals" + no_vocals.extension().string());
  const fs::path name =
      start.empty() ? no_vocals.parent_path() : no_vocals.parent_path() / start.substr(0, start.size() - 1);
  stems.name = name.lexically_relative(folder).string();
  if (!fs::is_regular_file(stems.vocals))
    throw Error(no_vocals.string() + " has no " + stems.vocals.filename().string() +
                " beside it; both stems are needed");
  const SndfileHandle voice = open_sound(stems.vocals), rest = open_sound(no_vocals);
  stems.rate = voice.samplerate();
  stems.samples = std::min(voice.frames(), rest.frames());
  if (rest.samplerate() != stems.rate) {
    throw Error(stems.vocals.string() + " is of " + std::to_string(stems.rate) + " Hz, its other stem of " +
                std::to_string(rest.samplerate()) + "; make both of one rate");
  }
  const auto longer = static_cast<double>(std::abs(voice.frames() - rest.frames())) / static_cast<double>(stems.rate);
  if (longer > kUnequal)
    leave_out("the last " + std::to_string(longer) + " s of " +
              (voice.frames() > rest.frames() ? stems.vocals : no_vocals).string() +
              ": its other stem is that much shorter");
  return stems;
}

// Of every whole piece; the end is read too, for it may be missing.
std::vector<double> piece_levels(const fs::path& file, int64_t rate, int64_t samples) {
  std::vector<double> levels;
  const int64_t piece = kClipSeconds * rate;
  for (int64_t begin = 0; begin + piece <= samples; begin += piece) {
    double sum = 0;
    for (const float x : read_mono(file, begin, piece)) sum += static_cast<double>(x) * x;
    levels.push_back(std::sqrt(sum / static_cast<double>(piece)));
  }
  if (samples > 0) read_mono(file, samples - 1, 1);
  return levels;
}

std::string stamp_of(const Stems& song) {
  const auto time = [](const fs::path& file) {
    return std::to_string(fs::last_write_time(file).time_since_epoch().count());
  };
  return std::to_string(song.samples) + " " + time(song.vocals) + " " + time(song.no_vocals);
}

struct Levels {
  std::vector<double> vocals, no_vocals;
};

// Measured where the file that keeps them does not know them; all processors together. Nothing of songs that cannot be
// read, which are told.
std::vector<std::optional<Levels>> levels_of(const fs::path& folder, const std::vector<Stems>& songs) {
  const fs::path file = folder / "clip_levels.cache";
  std::ifstream in(file);
  json known = json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!known.is_object()) known = json::object();
  std::vector<std::optional<Levels>> levels(songs.size());
  std::vector<size_t> missing;
  for (size_t i = 0; i < songs.size(); ++i) {
    const auto row = known.find(songs[i].name);
    if (row != known.end() && row->value("stamp", "") == stamp_of(songs[i])) {
      levels[i] = Levels{row->at("vocals"), row->at("no_vocals")};
    } else {
      missing.push_back(i);
    }
  }
  if (missing.empty()) return levels;
  const size_t threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::future<void>> workers;
  for (size_t t = 0; t < threads; ++t) {
    workers.push_back(std::async(std::launch::async, [&, t] {
      for (size_t m = t; m < missing.size(); m += threads) try {
          const Stems& song = songs[missing[m]];
          levels[missing[m]] = Levels{piece_levels(song.vocals, song.rate, song.samples),
                                      piece_levels(song.no_vocals, song.rate, song.samples)};
        } catch (const Error& error) {
          leave_out(error.what());
        }
    }));
  }
  for (auto& worker : workers) worker.get();
  for (const size_t i : missing) {
    if (!levels[i]) continue;
    known[songs[i].name] = {
        {"stamp", stamp_of(songs[i])}, {"vocals", levels[i]->vocals}, {"no_vocals", levels[i]->no_vocals}};
  }
  try {
    AtomicFile out(file);
    out.write(known.dump());
    out.commit();
  } catch (const Error&) {  // a folder that cannot be written to is measured each time
  }
  return levels;
}

// "train", "validate" or another; empty where nothing is said.
std::string said_split(const Stems& song) {
  std::ifstream in(song.no_vocals.parent_path() / (fs::path(song.name).filename().string() + ".json"));
  const json about = json::parse(in, nullptr, /*allow_exceptions=*/false);
  return about.is_object() ? about.value("split", "") : "";
}

}  // namespace

std::vector<Stems> find_stems(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw Error(folder.string() + " is no folder; expected one with pairs of stems");
  std::vector<Stems> songs;
  for (const auto& entry : fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink)) {
    const std::string stem = entry.path().stem().string();
    if (entry.is_regular_file() && is_sound(entry.path()) && (stem == "no_vocals" || stem.ends_with("_no_vocals")))
      try {
        songs.push_back(stems_of(folder, entry.path()));
      } catch (const Error& error) {
        leave_out(error.what());
      }
  }
  std::ranges::sort(songs, {}, &Stems::name);
  return songs;
}

std::vector<float> read_mono(const fs::path& file, int64_t begin, int64_t count) {
  SndfileHandle sound = open_sound(file);
  const auto channels = static_cast<size_t>(sound.channels());
  std::vector<float> samples(static_cast<size_t>(count) * channels);
  if (sound.seek(begin, SEEK_SET) != begin || sound.readf(samples.data(), count) != count)
    throw Error(file.string() + " ends before its header says; make it again");
  if (channels == 1) return samples;
  std::vector<float> mono(static_cast<size_t>(count));
  for (size_t i = 0; i < mono.size(); ++i) {
    for (size_t c = 0; c < channels; ++c) mono[i] += samples[i * channels + c] / static_cast<float>(channels);
  }
  return mono;
}

bool loud_enough(double rms, bool paper_level) {
  return (paper_level ? 20 * std::log10(rms) : 10 * std::log(rms)) >= -25;
}

StemCorpus::StemCorpus(const fs::path& folder, bool paper_level) : songs_(find_stems(folder)) {
  const auto levels = levels_of(folder, songs_);
  size_t unsaid = 0;
  for (size_t i = 0; i < songs_.size(); ++i) {
    if (!levels[i]) continue;
    const Stems& song = songs_[i];
    const size_t before = train_.size() + validate_.size();
    std::string split = said_split(song);
    if (split.empty()) split = unsaid++ % kValidateEvery == 0 ? "validate" : "train";
    if (split != "train" && split != "validate") continue;
    const auto pieces = static_cast<int64_t>(levels[i]->vocals.size());
    const int64_t piece = kClipSeconds * song.rate;
    for (int64_t p = 0; p < pieces; ++p) {
      const auto at = static_cast<size_t>(p);
      if (!loud_enough(levels[i]->vocals[at], paper_level) || !loud_enough(levels[i]->no_vocals[at], paper_level))
        continue;
      (split == "train" ? train_ : validate_).push_back({&song, p * piece, pieces == 1 ? song.samples : piece});
    }
    if (train_.size() + validate_.size() == before)
      leave_out(song.no_vocals.string() + " and its vocals have no " + std::to_string(kClipSeconds) +
                " s in which both are at -25 dB or more");
  }
  for (const auto& [clips, split] : {std::pair(&train_, "train"), std::pair(&validate_, "validate")}) {
    if (!clips->empty()) continue;
    throw Error(folder.string() + ": " + std::to_string(songs_.size()) + " pairs of stems, and no clip of " +
                std::to_string(kClipSeconds) + " s at -25 dB or more for the split \"" + split +
                "\"; expected NAME_vocals.EXT with NAME_no_vocals.EXT, or Demucs' folders");
  }
}

}  // namespace fastsag::model
