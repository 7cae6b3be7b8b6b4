#pragma once
// A corpus as tools/make_corpus writes it: NAME.json for every song and, where it was rendered, NAME_vocals.flac and
// NAME_no_vocals.flac beside it (24 kHz mono). Any folder of NAME_vocals.* / NAME_no_vocals.* pairs works for the parts
// that need no notes.
//
// Units: seconds from the start of the song, as the annotations have them; MIDI keys and velocities.
// Errors: load_song throws fastsag::Error that names the file; load_songs leaves such songs out (left_out.h) and throws
// where none remains.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "model/plan.h"

namespace fastsag::model {

struct SongNote {
  double onset = 0, duration = 0;
  int pitch = 0, velocity = 0, channel = 0;
};
struct SongBeat {
  double time = 0;
  bool downbeat = false;
};
struct SongChord {
  double begin = 0, end = 0;
  int root = 0;  // pitch class
  Quality quality = Quality::none;
};

// One instrument of those that tools/make_corpus --parts adds.
struct SongPart {
  std::vector<SongNote> notes;
  std::filesystem::path sound;
};

struct Song {
  std::string name, split;  // split: train, validate or test
  double seconds = 0;
  std::vector<SongNote> melody, notes;  // the sung line; the accompaniment
  std::vector<SongBeat> beats;
  std::vector<SongChord> chords;
  double weight = 1;                        // how often it is drawn, of the song that is drawn most often
  std::filesystem::path vocals, no_vocals;  // empty where the song was not rendered
  std::map<std::string, SongPart> parts;    // by instrument; those that were rendered
};

// A folder and how often a window is of it, beside those of others: all of them have a share, or none (0) does and all
// songs are drawn alike.
struct Corpus {
  std::filesystem::path folder;
  double share = 0;
};

// "C:maj", "F#:min7/b3", "N" -> root and quality, as far as major/minor goes.
SongChord parse_chord(const std::string& name);
Song load_song(const std::filesystem::path& json);
// All songs of a split, ordered by name.
std::vector<Song> load_songs(const std::filesystem::path& folder, const std::string& split);

}  // namespace fastsag::model
