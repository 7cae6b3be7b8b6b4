#include "daemon/plan_file.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "dsp/error.h"

namespace fastsag::daemon {

// A window decides what begins in its slice or after it; what the next one thinks better replaces the reserve's.
void PlanCollector::add(const WindowEvent& event) {
  const auto from = [&](const auto& items, auto position) {
    return std::ranges::find_if(items, [&](const auto& item) { return position(item) >= event.slice_begin; });
  };
  const auto onset = [](const model::Note& note) { return note.onset; };
  const auto begin = [](const model::Chord& chord) { return chord.from; };
  plan_.notes.erase(from(plan_.notes, onset), plan_.notes.end());
  plan_.notes.insert(plan_.notes.end(), from(event.plan->notes, onset), event.plan->notes.end());
  plan_.chords.erase(from(plan_.chords, begin), plan_.chords.end());
  for (auto chord = event.plan->chords.begin(); chord != event.plan->chords.end(); ++chord) {
    const auto next = std::next(chord);
    if (next != event.plan->chords.end() && next->from <= event.slice_begin) continue;  // over before the slice
    model::Chord now = *chord;
    if (!plan_.chords.empty()) now.from = std::max(now.from, event.slice_begin);  // what was played stays
    const bool goes_on =
        !plan_.chords.empty() && plan_.chords.back().root == now.root && plan_.chords.back().quality == now.quality;
    if (!goes_on) plan_.chords.push_back(now);
  }
  plan_.key = event.plan->key;
  plan_.pulse = event.plan->pulse;
  add_beats(event);
}

// Of the slice alone: the pulse of the next window may be another.
void PlanCollector::add_beats(const WindowEvent& event) {
  const double period = event.plan->pulse.period, origin = event.plan->pulse.origin;
  const auto begin = static_cast<double>(event.slice_begin), end = static_cast<double>(event.slice_end);
  std::erase_if(beats_, [begin](double beat) { return beat >= begin; });
  if (period <= 0) return;
  for (double n = std::ceil((begin - origin) / period); origin + n * period < end; ++n)
    beats_.push_back(origin + n * period);
}

void PlanCollector::write(const std::filesystem::path& file) const {
  constexpr double kSecond = model::kSampleRate;
  nlohmann::json json{{"key", plan_.key ? nlohmann::json(model::chord_name(*plan_.key)) : nlohmann::json()},
                      {"tempo_bpm", plan_.pulse.tempo_bpm()},
                      {"beat_s", plan_.pulse.origin / kSecond},
                      {"beats", nlohmann::json::array()},
                      {"chords", nlohmann::json::array()},
                      {"notes", nlohmann::json::array()}};
  for (const double beat : beats_) json["beats"].push_back(beat / kSecond);
  for (const auto& chord : plan_.chords)
    json["chords"].push_back({static_cast<double>(chord.from) / kSecond, model::chord_name(chord), chord.confidence});
  for (const auto& note : plan_.notes)
    json["notes"].push_back({static_cast<double>(note.onset) / kSecond,
                             static_cast<double>(note.release - note.onset) / kSecond, note.pitch, note.velocity,
                             note.channel});
  const std::filesystem::path beside = file.string() + ".part" + std::to_string(::getpid());
  std::ofstream out(beside);
  out << json.dump() << "\n";
  out.close();
  std::error_code error;
  if (out) std::filesystem::rename(beside, file, error);
  if (!out || error) {
    std::error_code ignored;
    std::filesystem::remove(beside, ignored);
    throw Error("cannot write " + file.string() + "; check the folder and the space left");
  }
}

}  // namespace fastsag::daemon
