// What the front end of `lite` hears of a recorded voice: windows of 10 s as a room has them, every 5 s; what a window
// says counts in its middle, for its edges are heard worse.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "daemon/cli.h"
#include "daemon/sound_file.h"
#include "dsp/f0.h"
#include "dsp/melody.h"
#include "dsp/resampler.h"

namespace fastsag::daemon {
namespace {

constexpr int64_t kWindow = 10 * dsp::kF0Rate, kStep = kWindow / 2, kEdge = kWindow / 4;

constexpr float kFadeDb = 1.0f;  // a window: of how loud the singer is taken to be

struct HeardNote {
  dsp::MelodyNote note;
  long key = 0;  // on the singer's own scale
};

std::vector<float> read_voice(const std::string& file) {
  SoundReader reader(file);
  std::vector<float> voice(static_cast<size_t>(reader.samples()));
  voice.resize(reader.read(voice));
  if (reader.sample_rate() != dsp::kF0Rate) voice = dsp::resample(voice, reader.sample_rate(), dsp::kF0Rate);
  return voice;
}

std::vector<HeardNote> hear(std::span<const float> voice) {
  std::vector<HeardNote> heard;
  float singer_db = dsp::kNobody;
  for (int64_t begin = 0; begin == 0 || begin + kWindow - kStep < std::ssize(voice); begin += kStep) {
    const auto window = voice.subspan(static_cast<size_t>(begin))
                            .first(static_cast<size_t>(std::min(kWindow, std::ssize(voice) - begin)));
    const bool last = begin + kWindow >= std::ssize(voice);
    const auto frames = dsp::track_f0(window);
    const float tuning = dsp::estimate_tuning(frames);
    for (const auto& note : dsp::segment_melody(frames, begin, singer_db)) {
      if (begin > 0 && note.onset < begin + kEdge) continue;
      if (!last && note.onset >= begin + kWindow - kEdge) continue;
      if (!heard.empty()) heard.back().note.release = std::min(heard.back().note.release, note.onset);
      heard.push_back({note, std::lround(note.pitch - tuning)});
    }
    singer_db = std::max(singer_db - kFadeDb, dsp::loud_db(frames));
  }
  return heard;
}

void run(const std::vector<std::string>& files, bool as_json) {
  for (const std::string& file : files) {
    const auto voice = read_voice(file);
    const auto begin = std::chrono::steady_clock::now();
    const auto heard = hear(voice);
    const double wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const auto seconds = [](int64_t samples) { return static_cast<double>(samples) / dsp::kF0Rate; };
    if (!as_json)
      std::printf("%s: %zu notes\n%9s %8s %7s %5s %6s\n", file.c_str(), heard.size(), "onset s", "length", "pitch",
                  "key", "sure");
    nlohmann::json notes = nlohmann::json::array();
    for (const auto& [note, key] : heard) {
      const double onset = seconds(note.onset), length = seconds(note.release - note.onset);
      if (as_json)
        notes.push_back({onset, length, note.pitch, key, note.confidence});
      else
        std::printf("%9.2f %8.2f %7.2f %5ld %6.2f\n", onset, length, static_cast<double>(note.pitch), key,
                    static_cast<double>(note.confidence));
    }
    if (as_json)
      std::printf(
          "%s\n",
          nlohmann::json{{"file", file}, {"seconds", seconds(std::ssize(voice))}, {"wall_s", wall_s}, {"notes", notes}}
              .dump()
              .c_str());
  }
}

}  // namespace

void add_hear(CLI::App& app) {
  auto* command = app.add_subcommand("hear", "The notes that are heard in a recorded voice");
  auto files = std::make_shared<std::vector<std::string>>();
  auto as_json = std::make_shared<bool>(false);
  command->add_option("VOCAL", *files, "Recordings: any sound files")->required();
  command->add_flag("--json", *as_json,
                    "One JSON object a recording and line: notes are [onset_s, duration_s, pitch, key, confidence]");
  command->callback([files, as_json] { run(*files, *as_json); });
}

}  // namespace fastsag::daemon
