// F0, melody and pulse on the rendered validate songs of a corpus (tools/make_corpus); FASTSAG_CORPUS names its folder.
// Prints what it measures; the bounds are a little below what was measured when it was written.
#include <sys/resource.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "dsp/pulse.h"
#include "tests/support/audio.h"
#include "tests/support/shared.h"

namespace fastsag::dsp {
namespace {

constexpr double kRate = 24000;
constexpr size_t kMostSongs = 10;

struct Song {
  std::vector<float> voice;
  std::vector<std::array<double, 4>> melody;  // onset s, duration s, key, velocity
  std::vector<double> beats;                  // s
};

std::vector<Song> validate_songs(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  std::ranges::sort(files);
  std::vector<Song> songs;
  for (const auto& file : files) {
    const auto vocals = folder / (file.stem().string() + "_vocals.flac");
    if (songs.size() == kMostSongs || !std::filesystem::exists(vocals)) continue;
    const auto json = nlohmann::json::parse(std::ifstream(file));
    if (json["split"] != "validate") continue;
    Song song{test::read_audio(vocals).mono, json["melody"].get<std::vector<std::array<double, 4>>>(), {}};
    for (const auto& beat : json["beats"]) song.beats.push_back(beat[0]);
    songs.push_back(std::move(song));
  }
  return songs;
}

double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec) + 1e-6 * static_cast<double>(usage.ru_utime.tv_usec);
}

double key_of(float hz) { return 69 + 12 * std::log2(static_cast<double>(hz) / 440); }

bool near_any(double t, std::span<const double> times, double tolerance) {
  return std::ranges::any_of(times, [&](double other) { return std::abs(t - other) < tolerance; });
}

struct Agreement {
  double beat_f = 0, sixteenths = 0;
};

// Over [begin, end) s: F-measure of beats within 70 ms; share of true 16ths with an estimated one within 40 ms.
Agreement agreement(const PulseEstimate& pulse, std::span<const double> all_beats, double begin, double end) {
  const double period = pulse.period / kRate, origin = pulse.origin / kRate;
  std::vector<double> beats, guessed;
  for (const double beat : all_beats)
    if (beat >= begin && beat < end) beats.push_back(beat);
  for (double t = origin + std::ceil((begin - origin) / period) * period; t < end; t += period) guessed.push_back(t);
  double hits = 0, lines = 0, on_line = 0;
  for (const double beat : beats) hits += near_any(beat, guessed, 0.07);
  for (const double beat : guessed) hits += near_any(beat, beats, 0.07);
  for (size_t i = 0; i + 1 < beats.size(); ++i)
    for (int part = 0; part < 4; ++part, ++lines) {
      const double x = (beats[i] + (beats[i + 1] - beats[i]) * part / 4 - origin) / period * 4;
      on_line += std::abs(x - std::round(x)) * period / 4 < 0.04;
    }
  return {hits / static_cast<double>(beats.size() + guessed.size()), on_line / std::max(1.0, lines)};
}

class FrontEndCorpus : public testing::Test {
 protected:
  void SetUp() override {
    const char* folder = std::getenv("FASTSAG_CORPUS");
    if (!folder) GTEST_SKIP() << "FASTSAG_CORPUS names no corpus (tools/make_corpus makes one)";
    songs_ = validate_songs(folder);
    ASSERT_FALSE(songs_.empty()) << folder << " holds no rendered validate song";
  }
  std::vector<Song> songs_;
};

TEST_F(FrontEndCorpus, PitchAndNotes) {
  double sung = 0, right = 0, notes = 0, heard = 0, found[2] = {}, seconds = 0, cpu = 0;
  for (const Song& song : songs_) {
    const double start = cpu_seconds();
    const auto frames = track_f0(song.voice);
    const auto melody = segment_melody(frames, 0);
    cpu += cpu_seconds() - start;
    seconds += static_cast<double>(song.voice.size()) / kRate;
    notes += static_cast<double>(song.melody.size());
    heard += static_cast<double>(melody.size());
    for (const auto& [onset, duration, key, velocity] : song.melody) {
      // The middle of the note, where slides are over; vibrato and detuning reach .7 of a semitone.
      for (auto k = static_cast<size_t>((onset + 0.08) * 100); k + 6 < static_cast<size_t>((onset + duration) * 100);
           ++k)
        if (k < frames.size()) ++sung, right += frames[k].hz > 0 && std::abs(key_of(frames[k].hz) - key) < 0.8;
      for (int i = 0; i < 2; ++i)
        found[i] += std::ranges::any_of(melody, [&](const MelodyNote& note) {
          return std::abs(static_cast<double>(note.onset) / kRate - onset) < 0.05 * (i + 1) &&
                 std::abs(note.pitch - key) < 0.7;
        });
    }
  }
  std::printf("raw pitch %.3f, note F1 %.3f (50 ms) %.3f (100 ms), %.1f ms CPU for 10 s\n", right / sung,
              2 * found[0] / (notes + heard), 2 * found[1] / (notes + heard), 1e4 * cpu / seconds);
  EXPECT_GT(right / sung, 0.97);
  EXPECT_GT(2 * found[0] / (notes + heard), 0.9);
}

TEST_F(FrontEndCorpus, PulseOfOneWindow) {
  for (const int seconds : {3, 6, 10}) {
    double beat_f = 0, sixteenths = 0, cpu = 0;
    int windows = 0;
    for (const Song& song : songs_)
      for (double begin = song.beats.front(); begin + seconds < song.beats.back(); begin += 11) {
        const auto first = static_cast<int64_t>(begin * kRate), length = static_cast<int64_t>(seconds * kRate);
        if (first < 0 || first + length > std::ssize(song.voice)) continue;
        const auto sung = std::ranges::count_if(
            song.melody, [&](const auto& note) { return note[0] >= begin && note[0] < begin + seconds; });
        if (static_cast<double>(sung) < 0.8 * seconds) continue;
        const auto voice = std::span(song.voice).subspan(static_cast<size_t>(first), static_cast<size_t>(length));
        const auto melody = segment_melody(track_f0(voice), first);
        const double start = cpu_seconds();
        const auto pulse = estimate_pulse(voice, melody, first);
        cpu += cpu_seconds() - start;
        const auto agreed = agreement(pulse, song.beats, begin, begin + seconds);
        beat_f += agreed.beat_f, sixteenths += agreed.sixteenths, ++windows;
      }
    ASSERT_GT(windows, 0);
    std::printf("%2d s, %d windows: beat F %.3f, 16ths hit %.3f, %.1f ms CPU\n", seconds, windows, beat_f / windows,
                sixteenths / windows, 1e3 * cpu / windows);
    if (seconds == 10) {
      EXPECT_GT(beat_f / windows, 0.55);
      EXPECT_GT(sixteenths / windows, 0.8);
    }
  }
}

// As it is used: a window a second, each given what the last one said; judged on the 4 s that have not been sung yet.
TEST_F(FrontEndCorpus, PulseOfTheFuture) {
  double beat_f = 0, sixteenths = 0, jumps = 0;
  int windows = 0;
  for (const Song& song : songs_) {
    const auto melody = segment_melody(track_f0(song.voice), 0);
    std::optional<PulseEstimate> pulse;
    for (double now = song.melody.front()[0] + 2; now + 4 < song.beats.back(); ++now) {
      const auto first = static_cast<int64_t>(std::max(0.0, now - 10) * kRate);
      const auto end = static_cast<int64_t>(now * kRate);
      std::vector<MelodyNote> window;
      for (const MelodyNote& note : melody)
        if (note.onset >= first && note.onset < end - 2400) window.push_back(note);
      const auto before = pulse;
      pulse = estimate_pulse({}, window, first, pulse);
      jumps += before && std::abs(pulse->period / before->period - 1) > 0.03;
      const auto agreed = agreement(*pulse, song.beats, now, now + 4);
      beat_f += agreed.beat_f, sixteenths += agreed.sixteenths, ++windows;
    }
  }
  std::printf("next 4 s, %d windows: beat F %.3f, 16ths hit %.3f, %.1f tempo changes a minute\n", windows,
              beat_f / windows, sixteenths / windows, 60 * jumps / windows);
  EXPECT_GT(beat_f / windows, 0.55);
  EXPECT_LT(60 * jumps / windows, 3);
}

}  // namespace
}  // namespace fastsag::dsp
