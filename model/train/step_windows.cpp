#include "model/train/step_windows.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "dsp/error.h"
#include "model/train/left_out.h"

namespace fastsag::model {
namespace {

constexpr int kFewestBeats = 8;
constexpr double kSlowest = 54, kFastest = 142;  // bpm of a pulse that is heard (dsp/pulse)

// What singers and the pitch tracker make of a melody, at amount 1; times in seconds. Set so that the mean over the
// amounts that random_window draws is what was counted on real and plain voices, four to one: 50 songs of `make_corpus
// --voices real` (851-900, 3.5 h) and 39 minutes more, heard by `fastsag hear` and held against the score by
// tools/score_melody ("what becomes of a sung note"). Counted, here: struck .86, .88; merged .07, .05; dropped .03,
// .04; octave .024, .023; other pitches .04, .06; onset off by 33, 31 ms and end by 82, 86 ms; split .12, .12; notes
// nobody sang .22, .24 a sung note, of those in rests .87 in what the piano plays (its lowest note: .62), by chance
// .21.
constexpr double kPhraseRest = 0.25;                    // notes further apart belong to two phrases
constexpr double kUnsungSongs = 0.3, kUnsung = 0.7;     // songs that miss phrases, of which at most so many
constexpr double kLateSongs = 0.3, kPhraseLate = 0.06;  // songs with phrases late or early as a whole; deviation
constexpr double kPhraseOctave = 0.03, kOctave = 0.015, kSemitone = 0.03, kOther = 0.04;
constexpr double kDropped = 0.03;
constexpr double kOnset = 0.042, kRelease = 0.12;       // deviations
constexpr double kRepeatMerged = 0.55, kMerged = 0.06;  // into the note before: of the same pitch, of another
constexpr double kSplit = 1.2, kUnsplit = 0.3;          // a second of a note that is longer than kUnsplit
constexpr double kScoop = 0.05, kEcho = 0.06;           // strays before a note; a room that sounds on after one
constexpr double kLeakingSongs = 0.6, kLeaks = 3.5;     // accompaniment heard in rests: songs; a second, at most
constexpr double kLeakTrue = 0.85, kLeakBass = 0.6;     // of those: notes that do sound; the lowest of them

// As it was sung: phrases left out, late, in another octave.
std::vector<SongNote> sung_phrases(const Song& song, double begin, double end, double amount, Chance& chance) {
  const double unsung = chance.maybe(kUnsungSongs) ? amount * chance.uniform(0, kUnsung) : 0;
  const double late_by = chance.maybe(kLateSongs) ? amount * kPhraseLate : 0;
  std::vector<SongNote> out;
  double phrase_end = -1e9, late = 0;
  bool left_out = false;
  int octave = 0;
  for (SongNote note : song.melody) {
    if (note.onset + note.duration <= begin || note.onset >= end) continue;
    if (note.onset - phrase_end > kPhraseRest) {
      left_out = chance.maybe(unsung);
      late = chance.normal(late_by);
      octave = chance.maybe(kPhraseOctave * amount) ? (chance.maybe(0.5) ? 12 : -12) : 0;
    }
    phrase_end = note.onset + note.duration;
    if (left_out) continue;
    note.onset += late;
    note.pitch += octave;
    out.push_back(note);
  }
  return out;
}

int wrong_pitch(double amount, Chance& chance) {
  if (chance.maybe(kOctave * amount)) return chance.maybe(0.5) ? 12 : -12;
  if (chance.maybe(kSemitone * amount)) return chance.maybe(0.5) ? 1 : -1;
  return chance.maybe(kOther * amount) ? chance.below(28) - 18 : 0;
}

// Notes of the accompaniment that are heard where nobody sings.
void add_leaks(const Song& song, double begin, double end, double amount, std::vector<SongNote>& out, Chance& chance) {
  if (!chance.maybe(kLeakingSongs)) return;
  const double each = 1 / std::max(1e-3, amount * chance.uniform(0, kLeaks));
  std::vector<SongNote> leaks;
  size_t next = 0;
  double free_from = begin;
  for (double at = begin - each * std::log(1 - chance.uniform()); at < end;
       at -= each * std::log(1 - chance.uniform())) {
    for (; next < out.size() && out[next].onset <= at; ++next)
      free_from = std::max(free_from, out[next].onset + out[next].duration);
    const double length = std::min(0.08 - 0.17 * std::log(1 - chance.uniform()), 0.8);
    const double until = std::min(next < out.size() ? out[next].onset : end, at + length);
    if (at < free_from || until < at + 0.06) continue;
    std::vector<int> sounding;
    for (const SongNote& note : song.notes)
      if (note.onset <= at && note.onset + note.duration > at - 0.3) sounding.push_back(note.pitch);
    int pitch = 36 + chance.below(36);
    if (!sounding.empty() && chance.maybe(kLeakTrue)) {
      std::ranges::sort(sounding);
      pitch =
          sounding[chance.maybe(kLeakBass) ? 0 : static_cast<size_t>(chance.below(static_cast<int>(sounding.size())))];
    }
    leaks.push_back({at, until - at, pitch, 80, 0});
    free_from = until;
  }
  out.insert(out.end(), leaks.begin(), leaks.end());
}

void in_order(std::vector<SongNote>& notes) {
  std::ranges::stable_sort(notes, {}, &SongNote::onset);
  for (size_t i = 0; i + 1 < notes.size(); ++i)
    notes[i].duration = std::max(0.02, std::min(notes[i].duration, notes[i + 1].onset - notes[i].onset));
}

std::vector<SongNote> tracked(const Song& song, double begin, double end, double amount, Chance& chance) {
  std::vector<SongNote> out;
  for (SongNote note : sung_phrases(song, begin, end, amount, chance)) {
    if (chance.maybe(kDropped * amount)) continue;
    const int written = note.pitch;
    const double jitter = chance.normal(kOnset * amount);
    note.onset += jitter;
    note.duration = std::max(0.05, note.duration - jitter + chance.normal(kRelease * amount));
    const double gap = out.empty() ? 1e9 : note.onset - out.back().onset - out.back().duration;
    const bool repeats = !out.empty() && out.back().pitch == written;
    if (gap < (repeats ? kPhraseRest : 0.1) && chance.maybe((repeats ? kRepeatMerged : kMerged) * amount)) {
      out.back().duration = note.onset + note.duration - out.back().onset;
      continue;
    }
    note.pitch += wrong_pitch(amount, chance);
    if (chance.maybe(kScoop * amount))
      out.push_back({note.onset - 0.1, 0.1, note.pitch + chance.below(11) - 5, note.velocity, 0});
    const double release = note.onset + note.duration;
    while (release - note.onset > kUnsplit && amount > 0) {
      const double part = kUnsplit / 2 - std::log(1 - chance.uniform()) / (kSplit * amount);
      if (part > release - note.onset - kUnsplit / 2) break;
      out.push_back(note);
      out.back().duration = part;
      note.onset += part;
    }
    note.duration = release - note.onset;
    out.push_back(note);
    if (chance.maybe(kEcho * amount)) out.push_back({release + 0.02, 0.15, note.pitch, note.velocity, 0});
  }
  in_order(out);
  if (amount > 0) {
    add_leaks(song, begin, end, amount, out, chance);
    in_order(out);
  }
  return out;
}

bool sung(const Song& song, double begin, double end) {
  double seconds = 0;
  for (const SongNote& note : song.melody)
    seconds += std::max(0.0, std::min(note.onset + note.duration, end) - std::max(note.onset, begin));
  return seconds > 0.3 * (end - begin);
}

std::vector<Song> songs_to_cut(const std::filesystem::path& folder, const std::string& split) {
  std::vector<Song> songs = load_songs(folder, split);
  std::erase_if(songs, [&](const Song& song) {
    if (song.beats.size() >= kFewestBeats) return false;
    leave_out((folder / (song.name + ".json")).string() + " has " + std::to_string(song.beats.size()) +
              " beats, expected " + std::to_string(kFewestBeats) + " or more");
    return true;
  });
  if (songs.empty())
    throw Error(folder.string() + " holds no song of " + std::to_string(kFewestBeats) +
                " beats or more of the split \"" + split + "\"; run tools/make_corpus");
  return songs;
}

const Song& drawn(const std::vector<Song>& songs, Chance& chance) {
  for (;;) {
    const Song& song = songs[static_cast<size_t>(chance.below(static_cast<int>(songs.size())))];
    if (song.weight >= 1 || chance.maybe(song.weight)) return song;
  }
}

}  // namespace

SharedScores load_scores(const std::vector<Corpus>& corpora) {
  ScoreSplits splits;
  double most = 0;
  for (const Corpus& corpus : corpora) {
    std::vector<Song> songs = songs_to_cut(corpus.folder, "train");
    const double weight = corpus.share > 0 ? corpus.share / static_cast<double>(songs.size()) : 1;
    for (Song& song : songs) song.weight = weight;
    most = std::max(most, weight);
    std::ranges::move(songs, std::back_inserter(splits.train));
    std::ranges::move(songs_to_cut(corpus.folder, "validate"), std::back_inserter(splits.validate));
  }
  for (Song& song : splits.train) song.weight /= most;
  return std::make_shared<const ScoreSplits>(std::move(splits));
}

double BeatMap::beat_at(double seconds) const {
  const auto after = std::ranges::upper_bound(beats_, seconds, {}, &SongBeat::time) - beats_.begin();
  const auto i = static_cast<size_t>(std::clamp<long>(after - 1, 0, count() - 2));
  return static_cast<double>(i) + (seconds - beats_[i].time) / (beats_[i + 1].time - beats_[i].time);
}

double BeatMap::seconds_at(double beat) const {
  const auto i = static_cast<size_t>(std::clamp(static_cast<int>(std::floor(beat)), 0, count() - 2));
  return beats_[i].time + (beat - static_cast<double>(i)) * (beats_[i + 1].time - beats_[i].time);
}

std::pair<int, int> BeatMap::bar_at(int beat) const {
  int begin = std::min(beat, count() - 1), end = beat + 1;
  while (begin > 0 && !beats_[static_cast<size_t>(begin)].downbeat) --begin;
  while (end < count() && !beats_[static_cast<size_t>(end)].downbeat) ++end;
  if (begin < 0 || !beats_[static_cast<size_t>(begin)].downbeat) return {0, 0};
  return {end - begin, beat - begin};
}

TrainingWindow window_at(const Song& song, int first, int steps_per_beat, Hearing hearing, const Spoiling& spoiling,
                         Chance& chance) {
  const BeatMap map(song);
  const double start = first + static_cast<double>(spoiling.off_beat) / steps_per_beat;
  const double begin = map.seconds_at(start),
               end = map.seconds_at(start + static_cast<double>(kWindowSteps) / steps_per_beat);
  const double steps_a_second = kWindowSteps / (end - begin);
  const double heard_from = map.seconds_at(start + static_cast<double>(kSongBegin) / steps_per_beat);
  const auto step_at = [&](double seconds) {
    return (map.beat_at(seconds) - start) * steps_per_beat + spoiling.grid_shift;
  };
  const auto on_grid = [&](const std::vector<SongNote>& notes, int shift, double from) {
    dsp::Pooled<StepNote> out;
    for (const SongNote& note : notes)
      if (note.onset + note.duration > from - 0.2 && note.onset < end + 0.2)
        out.push_back({step_at(note.onset), step_at(note.onset + note.duration), note.pitch + shift, note.velocity});
    return out;
  };

  TrainingWindow out;
  StepWindow& heard = out.heard;
  heard.melody = on_grid(tracked(song, heard_from - 1, end + 1, spoiling.tracker, chance),
                         spoiling.transpose + 12 * spoiling.voice_octave, heard_from);
  out.score = quantise(on_grid(song.notes, spoiling.transpose, begin));
  const auto chord_at = [&](double step) -> StepChord {
    const double seconds = map.seconds_at(start + (step - spoiling.grid_shift) / steps_per_beat);
    const auto next = std::ranges::upper_bound(song.chords, seconds, {}, &SongChord::begin);
    if (next == song.chords.begin() || std::prev(next)->end <= seconds || std::prev(next)->quality == Quality::none)
      return {};
    return {((std::prev(next)->root + spoiling.transpose) % 12 + 12) % 12, std::prev(next)->quality};
  };
  for (int step = 0; step < kWindowSteps; ++step) out.chords.push_back(chord_at(step + 0.5));
  for (int beat = 0; beat < kSongBeats; ++beat) out.song.push_back(chord_at(kSongBegin + (beat + 0.4) * kStepsPerBeat));
  // Longer bars than four beats have no place in the features.
  if (const auto [beats, place] = map.bar_at(first); spoiling.bars && beats * kStepsPerBeat <= kBarSteps) {
    heard.bar_beats = beats;
    heard.first_beat = place;
  }

  heard.voice_begin = kSongBegin;
  heard.voice_end = kWindowSteps;
  double known = 0;
  if (hearing == Hearing::delayed) {
    heard.voice_end -= chance.uniform(0, kStepsPerBeat);  // the window is rounded up to a beat
    known = heard.voice_end - steps_a_second * chance.uniform(1, 4);
  } else if (hearing == Hearing::live) {
    heard.voice_end -= steps_a_second * chance.uniform(0, 3.5);
    known = std::min<double>(kWindowSteps - 1, heard.voice_end + steps_a_second * chance.uniform(0, 2));
  }
  out.unknown_from = static_cast<int>(std::max(known, 0.0));
  return out;
}

TrainingWindow random_window(const std::vector<Song>& songs, Chance& chance) {
  for (int attempt = 0;; ++attempt) {
    const Song& song = drawn(songs, chance);
    const BeatMap map(song);
    const double tempo = 60 * (map.count() - 1) / (song.beats.back().time - song.beats.front().time);
    int steps_per_beat = kStepsPerBeat;
    if (tempo > kFastest || (tempo > 115 && chance.maybe(0.4))) steps_per_beat = kStepsPerBeat / 2;
    if (tempo < kSlowest || (tempo < 68 && chance.maybe(0.4))) steps_per_beat = kStepsPerBeat * 2;
    const int last = map.count() - 1 - kWindowSteps / steps_per_beat;
    if (last < 1 && attempt < 100) continue;
    const int first = chance.below(std::max(last, 1));
    if (attempt < 8 && !sung(song, map.seconds_at(first), map.seconds_at(first + kWindowSteps / steps_per_beat)))
      continue;

    Spoiling spoiling;
    spoiling.tracker = chance.maybe(0.15) ? 0 : chance.uniform(0.2, 1.4);
    spoiling.bars = steps_per_beat == kStepsPerBeat && chance.maybe(0.4);
    if (!spoiling.bars && chance.maybe(0.45)) spoiling.off_beat = chance.maybe(0.55) ? 2 : chance.maybe(0.5) ? 1 : 3;
    spoiling.grid_shift = chance.normal(spoiling.bars ? 0.05 : 0.15);
    spoiling.transpose = chance.below(12) - 5;
    spoiling.voice_octave = chance.maybe(0.3) ? -1 : chance.maybe(0.1) ? 1 : 0;
    const double which = chance.uniform();
    const Hearing hearing = which < 0.35 ? Hearing::all : which < 0.65 ? Hearing::delayed : Hearing::live;
    TrainingWindow out = window_at(song, first, steps_per_beat, hearing, spoiling, chance);
    StepWindow& heard = out.heard;
    if (chance.maybe(0.5)) heard.voice_begin = chance.uniform(kSongBegin, heard.voice_end / 2);
    if (chance.maybe(0.2))
      heard.voice_begin = chance.uniform(0, 0.8) * heard.voice_end;  // the song has only just begun
    return out;
  }
}

BeatWindow random_beat_window(const std::vector<Song>& songs, Chance& chance) {
  constexpr int kPatience = 100000;
  for (int attempt = 0, unsung = 0; attempt < kPatience; ++attempt) {
    const Song& song = drawn(songs, chance);
    const BeatMap map(song);
    const int last = map.count() - 1 - kWindowBeats;
    if (last < 1) continue;
    const int first = chance.below(last);
    const auto [beats, place] = map.bar_at(first + kWindowBeats / 2);
    if (beats * kStepsPerBeat != kBarSteps) continue;
    // 10 s as a rule, less when a song has begun.
    const double steps_a_second = kWindowSteps / (map.seconds_at(first + kWindowBeats) - map.seconds_at(first));
    const double known = (chance.maybe(.25) ? chance.uniform(4, 10) : 10) * steps_a_second;
    if (unsung < 20 && !sung(song, map.seconds_at(first + kWindowBeats - known / kStepsPerBeat),
                             map.seconds_at(first + kWindowBeats))) {
      ++unsung;
      continue;
    }
    Spoiling spoiling;
    spoiling.tracker = chance.uniform(0.2, 1.4);
    spoiling.off_beat = chance.below(kStepsPerBeat);
    spoiling.grid_shift = chance.normal(0.15);
    BeatWindow out{window_at(song, first, kStepsPerBeat, Hearing::all, spoiling, chance).heard};
    out.heard.voice_begin = std::max(0.0, kWindowSteps - known);
    const int first_place = place + kBarSteps - kWindowBeats / 2;  // a multiple of a bar more, so that it is positive
    out.place = (first_place * kStepsPerBeat + spoiling.off_beat) % kBarSteps;
    return out;
  }
  throw Error("no song of the corpus has bars of four beats and is longer than " + std::to_string(kWindowBeats) +
              " beats: the beat net learns from such songs; leave it out of `parts` or add a corpus that has them");
}

}  // namespace fastsag::model
