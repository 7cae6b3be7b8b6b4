#include "model/train/audio_corpus.h"

#include <algorithm>
#include <cmath>

#include "dsp/error.h"
#include "dsp/mel.h"
#include "model/atomic_file.h"
#include "model/train/left_out.h"
#include "model/train/open_sound.h"

namespace fastsag::model {
namespace {

SndfileHandle open_corpus_sound(const std::filesystem::path& file) {
  SndfileHandle sound = open_sound(file);
  if (sound.samplerate() != kSampleRate || sound.channels() != 1)
    throw Error(file.string() + " is " + std::to_string(sound.samplerate()) + " Hz with " +
                std::to_string(sound.channels()) + " channels; the corpus must be 24000 Hz mono");
  return sound;
}

int64_t samples_of(double seconds) { return std::llround(seconds * kSampleRate); }

}  // namespace

AudioSong::AudioSong(std::string name, std::filesystem::path sound, std::span<const SongNote> notes,
                     std::filesystem::path cache)
    : name_(std::move(name)),
      sound_(std::move(sound)),
      cache_(std::move(cache)),
      frames_(dsp::mel_frames(open_corpus_sound(sound_).frames())) {
  notes_.reserve(notes.size());
  for (const SongNote& note : notes)
    notes_.push_back(
        {samples_of(note.onset), samples_of(note.onset + note.duration), note.pitch, note.velocity, note.channel});
  check();
}

void AudioSong::check() const {
  constexpr int64_t kPieces = 16, kPiece = kSampleRate / 2, kLate = 3 * kSampleRate;
  const int64_t samples = frames_ * dsp::kMelHop;
  const int64_t last = notes_.empty() ? 0 : notes_.back().onset;
  if (last > samples + kLate)
    throw Error(sound_.string() + " is " + std::to_string(samples / kSampleRate) +
                " s long and its last note begins after " + std::to_string(last / kSampleRate) +
                "; render it again with tools/make_corpus");
  // All are read, from the begin to the very end, for a file may be cut off anywhere.
  const int64_t room = std::max<int64_t>(samples - kPiece, 0);
  bool silent = true;
  for (int64_t i = 0; i <= kPieces; ++i)
    silent &= std::ranges::all_of(wave(room * i / kPieces, kPiece), [](float sample) { return sample == 0; });
  if (silent) throw Error(sound_.string() + " is silent; render it again with tools/make_corpus");
}

std::vector<float> AudioSong::wave(int64_t begin, int64_t count) const {
  std::vector<float> samples(static_cast<size_t>(count));
  SndfileHandle sound = open_corpus_sound(sound_);
  const int64_t first = std::max<int64_t>(begin, 0), last = std::min<int64_t>(begin + count, sound.frames());
  if (last <= first) return samples;
  if (sound.seek(first, SEEK_SET) != first ||
      sound.read(samples.data() + (first - begin), last - first) != last - first)
    throw Error(sound_.string() + " ends before its header says; render it again with tools/make_corpus");
  return samples;
}

torch::Tensor AudioSong::cached_mel() const {
  namespace fs = std::filesystem;
  const int64_t values = frames_ * dsp::kMelBands;
  const bool fresh = fs::exists(cache_) && fs::file_size(cache_) == static_cast<uintmax_t>(values) * 2 &&
                     fs::last_write_time(cache_) >= fs::last_write_time(sound_);
  if (!fresh) {
    std::vector<float> mel = dsp::mel(wave(0, frames_ * dsp::kMelHop));
    dsp::normalise(mel);
    const torch::Tensor half =
        torch::from_blob(mel.data(), {dsp::kMelBands, frames_}).t().to(torch::kHalf).contiguous();
    fs::create_directories(cache_.parent_path());
    AtomicFile file(cache_);
    file.write({static_cast<const std::byte*>(half.const_data_ptr()), static_cast<size_t>(values) * 2});
    file.commit();
  }
  return torch::from_file(cache_.string(), /*shared=*/false, values, torch::kHalf).view({frames_, dsp::kMelBands});
}

torch::Tensor AudioSong::mel(int64_t first_frame, int64_t count) const {
  if (!mel_.defined()) mel_ = cached_mel();
  return mel_.narrow(0, first_frame, count).to(torch::kFloat);
}

AudioCorpus::AudioCorpus(const std::filesystem::path& folder, const std::string& split, const std::string& instrument) {
  const bool piano = instrument == "piano";
  for (const Song& song : load_songs(folder, split)) try {
      const auto part = song.parts.find(instrument);
      if (piano && !song.no_vocals.empty())
        songs_.emplace_back(song.name, song.no_vocals, song.notes, folder / "mel_cache" / (song.name + ".mel16"));
      if (!piano && part != song.parts.end())
        songs_.emplace_back(song.name, part->second.sound, part->second.notes,
                            folder / "mel_cache" / (song.name + "_" + instrument + ".mel16"));
    } catch (const Error& error) {
      leave_out(error.what());
    }
  if (songs_.empty() && !piano)
    throw Error(folder.string() + " holds no NAME_" + instrument + ".flac of the split \"" + split +
                "\"; render it with tools/make_corpus --parts");
  if (songs_.empty())
    throw Error(folder.string() + " holds no NAME_no_vocals.flac of the split \"" + split +
                "\"; render it with tools/make_corpus");
}

const AudioSong* AudioCorpus::find(const std::string& name) const {
  const auto found = std::ranges::find(songs_, name, &AudioSong::name);
  return found == songs_.end() ? nullptr : &*found;
}

Crop AudioCorpus::crop(Chance& chance, int64_t frames) const {
  int64_t places = 0;
  for (const AudioSong& song : songs_) places += std::max<int64_t>(song.frames() - frames + 1, 0);
  if (places == 0) throw Error("no song of the corpus is " + std::to_string(frames) + " frames long");
  auto place = static_cast<int64_t>(chance.uniform() * static_cast<double>(places));
  for (const AudioSong& song : songs_) {
    const int64_t here = std::max<int64_t>(song.frames() - frames + 1, 0);
    if (place < here) return {&song, place};
    place -= here;
  }
  return {&songs_.front(), 0};  // not reached: places are the sum of the above
}

}  // namespace fastsag::model
