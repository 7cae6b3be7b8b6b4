#include "daemon/plan_file.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "dsp/error.h"
#include "model/chord_reader.h"
#include "model/ensemble.h"

namespace fastsag::daemon {
namespace {

constexpr double kSecond = model::kSampleRate;

// A plan file as it is read: what is wrong is said with the file and the place in it.
class PlanReader {
 public:
  explicit PlanReader(const std::filesystem::path& file) : file_(file) {
    std::ifstream stream(file);
    if (!stream || std::filesystem::is_directory(file))
      throw Error("cannot read the notes " + file.string() + "; expected a JSON file that exists and may be read");
    try {
      json_ = nlohmann::json::parse(stream);
    } catch (const nlohmann::json::exception& error) {
      const std::string_view what = error.what();
      throw Error(file.string() + " is no JSON (" + std::string(what.substr(what.find("] ") + 2)) + "); expected " +
                  kIs);
    }
    if (!json_.is_object() || !json_.contains("notes") || !json_["notes"].is_array())
      throw Error(file.string() + " has no list \"notes\"; expected " + kIs);
    if (json_.contains("chords") && !json_["chords"].is_array())
      throw Error("\"chords\" of " + file.string() + " are no list; expected " + kIs);
  }

  model::Plan plan() const {
    model::Plan plan;
    for (size_t i = 0; i < json_["notes"].size(); ++i) plan.notes.push_back(note(i));
    std::ranges::sort(plan.notes, {}, [](const model::Note& note) { return std::pair(note.onset, note.pitch); });
    if (json_.contains("chords"))
      for (size_t i = 0; i < json_["chords"].size(); ++i) plan.chords.push_back(chord(i));
    std::ranges::stable_sort(plan.chords, {}, &model::Chord::from);
    if (const auto key = json_.find("key"); key != json_.end() && key->is_string())
      plan.key = model::read_key(key->get<std::string>());
    const double bpm = json_.value("tempo_bpm", nlohmann::json()).is_number() ? json_["tempo_bpm"].get<double>() : 0;
    if (bpm >= 20 && bpm <= 400) plan.pulse = {.period = 60 * kSecond / bpm, .origin = position_or(0), .confidence = 1};
    return plan;
  }

 private:
  static constexpr const char* kIs = "what fastsag render --plan writes";
  static constexpr double kLongest_s = 24 * 3600;

  model::Note note(size_t index) const {
    const auto& n = json_["notes"][index];
    const auto whole = [&](size_t i, int low, int high) {
      return n[i].is_number_integer() && n[i] >= low && n[i] <= high;
    };
    const auto seconds = [&](size_t i) { return n[i].is_number() && n[i] >= 0 && n[i] <= kLongest_s; };
    if (!n.is_array() || n.size() < 4 || n.size() > 5 || !seconds(0) || !seconds(1) || n[1] == 0.0 ||
        !whole(2, 0, 127) || !whole(3, 1, 127))
      fail("notes", index, "[onset_s, duration_s, pitch 0..127, velocity 1..127, channel]");
    const int channel = n.size() < 5 ? 0 : whole(4, 0, 15) ? n[4].get<int>() : -1;
    if (std::ranges::none_of(model::kEnsembles, [channel](std::string_view style) {
          return model::plays(*model::ensemble_of(style), channel);
        }))
      fail("notes", index, "channel 0 (piano), 1 (bass), 2 (strings) or 9 (drums)");
    const int64_t onset = std::llround(n[0].get<double>() * kSecond);
    return {onset, onset + std::max<int64_t>(1, std::llround(n[1].get<double>() * kSecond)), n[2], n[3], channel};
  }
  model::Chord chord(size_t index) const {
    const auto& c = json_["chords"][index];
    std::optional<model::Chord> chord;
    if (c.is_array() && c.size() >= 2 && c[0].is_number() && std::abs(c[0].get<double>()) <= kLongest_s &&
        c[1].is_string())
      chord = c[1] == "N" ? model::Chord{} : model::read_chord(c[1].get<std::string>());
    if (!chord) fail("chords", index, "[from_s, \"Am\", confidence]");
    chord->from = std::llround(c[0].get<double>() * kSecond);
    if (c.size() > 2 && c[2].is_number()) chord->confidence = c[2];
    return *chord;
  }
  double position_or(double otherwise) const {
    const auto beat = json_.find("beat_s");
    return beat != json_.end() && beat->is_number() ? beat->get<double>() * kSecond : otherwise;
  }
  [[noreturn]] void fail(const char* list, size_t index, const std::string& expected) const {
    std::string found = json_[list][index].dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    if (found.size() > 80) found = found.substr(0, 77) + "...";
    throw Error(file_.string() + ": number " + std::to_string(index + 1) + " of \"" + list + "\" is " + found +
                "; expected " + expected);
  }

  const std::filesystem::path& file_;
  nlohmann::json json_;
};

}  // namespace

model::Plan load_plan(const std::filesystem::path& file) { return PlanReader(file).plan(); }

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
  const auto& sung = event.plan->sung;
  if (!sung.empty()) std::erase_if(plan_.sung, [&](const auto& note) { return note.onset >= sung.front().onset; });
  plan_.sung.insert(plan_.sung.end(), sung.begin(), sung.end());
  plan_.key = event.plan->key;
  plan_.pulse = event.plan->pulse;
  add_beats(event);
}

// Of the slice alone: the pulse of the next window may be another.
void PlanCollector::add_beats(const WindowEvent& event) {
  const model::Pulse& pulse = event.plan->pulse;
  const double period = pulse.period, origin = pulse.origin;
  const auto begin = static_cast<double>(event.slice_begin), end = static_cast<double>(event.slice_end);
  std::erase_if(beats_, [begin](const Beat& beat) { return beat.at >= begin; });
  if (period <= 0) return;
  const int64_t bar = pulse.beats_per_bar;
  for (auto n = static_cast<int64_t>(std::ceil((begin - origin) / period));; ++n) {
    const double at = origin + static_cast<double>(n) * period;
    if (at >= end) return;
    beats_.push_back({at, std::nullopt});
    if (bar > 0) beats_.back().place = static_cast<int>(((n - pulse.downbeat) % bar + bar) % bar);
  }
}

void PlanCollector::write(const std::filesystem::path& file) const {
  nlohmann::json json{{"key", plan_.key ? nlohmann::json(model::chord_name(*plan_.key)) : nlohmann::json()},
                      {"tempo_bpm", plan_.pulse.tempo_bpm()},
                      {"beat_s", plan_.pulse.origin / kSecond},
                      {"beats", nlohmann::json::array()},
                      {"places", nlohmann::json::array()},
                      {"chords", nlohmann::json::array()},
                      {"notes", nlohmann::json::array()},
                      {"sung", nlohmann::json::array()}};
  for (const Beat& beat : beats_) {
    json["beats"].push_back(beat.at / kSecond);
    json["places"].push_back(beat.place ? nlohmann::json(*beat.place) : nlohmann::json());
  }
  for (const auto& chord : plan_.chords)
    json["chords"].push_back({static_cast<double>(chord.from) / kSecond, model::chord_name(chord), chord.confidence});
  for (const auto& note : plan_.notes)
    json["notes"].push_back({static_cast<double>(note.onset) / kSecond,
                             static_cast<double>(note.release - note.onset) / kSecond, note.pitch, note.velocity,
                             note.channel});
  for (const auto& note : plan_.sung)
    json["sung"].push_back({static_cast<double>(note.onset) / kSecond,
                            static_cast<double>(note.release - note.onset) / kSecond, note.pitch});
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
