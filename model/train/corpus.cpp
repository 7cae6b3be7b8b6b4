#include "model/train/corpus.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "dsp/error.h"
#include "model/train/left_out.h"

namespace fastsag::model {
namespace {

using nlohmann::json;

std::vector<SongNote> notes(const json& rows) {
  std::vector<SongNote> out;
  out.reserve(rows.size());
  for (const json& row : rows)
    out.push_back({row.at(0), row.at(1), row.at(2), row.at(3), row.size() > 4 ? row.at(4).get<int>() : 0});
  std::ranges::stable_sort(out, [](const SongNote& a, const SongNote& b) {
    return std::pair(a.onset, a.pitch) < std::pair(b.onset, b.pitch);
  });
  return out;
}

std::filesystem::path rendered(const std::filesystem::path& file, const std::string& suffix) {
  const auto path = file.parent_path() / (file.stem().string() + suffix);
  return std::filesystem::exists(path) ? path : std::filesystem::path();
}

}  // namespace

SongChord parse_chord(const std::string& name) {
  SongChord chord;
  static const std::string kLetters = "C D EF G A B";
  const auto letter = name.empty() ? std::string::npos : kLetters.find(name[0]);
  if (letter == std::string::npos || name[0] == ' ') return chord;  // N, X: no chord
  chord.root = static_cast<int>(letter);
  size_t i = 1;
  for (; i < name.size() && (name[i] == '#' || name[i] == 'b'); ++i) chord.root += name[i] == '#' ? 1 : -1;
  chord.root = (chord.root + 12) % 12;
  const std::string kind = i < name.size() && name[i] == ':' ? name.substr(i + 1) : "maj";
  const bool minor = kind.starts_with("min") || kind.starts_with("dim") || kind.starts_with("hdim");
  chord.quality = minor ? Quality::minor : Quality::major;
  return chord;
}

Song load_song(const std::filesystem::path& file) try {
  std::ifstream in(file);
  const json data = json::parse(in);
  Song song;
  song.name = data.at("name");
  song.split = data.at("split");
  song.seconds = data.at("seconds");
  song.melody = notes(data.at("melody"));
  song.notes = notes(data.at("notes"));
  for (const json& row : data.at("beats")) song.beats.push_back({row.at(0), row.at(1).get<int>() != 0});
  const auto stuck = std::ranges::adjacent_find(song.beats, std::ranges::greater_equal{}, &SongBeat::time);
  if (stuck != song.beats.end())
    throw Error(file.string() + " has a beat at " + std::to_string(stuck->time) + " s that the next one does not " +
                "follow; make it again with tools/make_corpus");
  for (const json& row : data.at("chords")) {
    SongChord chord = parse_chord(row.at(2));
    chord.begin = row.at(0);
    chord.end = row.at(1);
    song.chords.push_back(chord);
  }
  song.vocals = rendered(file, "_vocals.flac");
  song.no_vocals = rendered(file, "_no_vocals.flac");
  const json parts = data.value("parts", json::object());
  for (const auto& [name, rows] : parts.items()) {
    if (const auto sound = rendered(file, "_" + name + ".flac"); !sound.empty())
      song.parts[name] = {notes(rows), sound};
  }
  return song;
} catch (const json::exception& error) {
  throw Error(file.string() + " is not a song of this corpus (" + error.what() +
              "); make it again with tools/make_corpus");
}

std::vector<Song> load_songs(const std::filesystem::path& folder, const std::string& split) {
  if (!std::filesystem::is_directory(folder))
    throw Error(folder.string() + " is no folder; a corpus is made with tools/make_corpus");
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<Song> songs;
  for (const auto& file : files) try {
      if (Song song = load_song(file); song.split == split) songs.push_back(std::move(song));
    } catch (const Error& error) {
      leave_out(error.what());
    }
  if (songs.empty())
    throw Error(folder.string() + " holds no song of the split \"" + split + "\"; run tools/make_corpus");
  return songs;
}

}  // namespace fastsag::model
