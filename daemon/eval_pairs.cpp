#include "daemon/eval_pairs.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "daemon/sound_file.h"
#include "dsp/error.h"

namespace fastsag::daemon {
namespace {

using Fields = std::map<std::string, std::string>;
constexpr const char* kColumns = "vocals, no_vocals, ours, name";

// _vocals also ends _no_vocals, so the longer one is tried first.
constexpr const char* kParts[] = {"no_vocals", "vocals", "ours"};

std::string lines(const std::vector<EvalRemark>& remarks) {
  std::string text;
  for (const EvalRemark& remark : remarks) text += "\n  " + remark.name + ": " + remark.text;
  return text;
}

EvalPairs from_folder(const std::filesystem::path& folder) {
  std::map<std::string, Fields> found;
  std::map<std::string, std::string> twice;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") continue;  // a maker's report
    const std::string stem = entry.path().stem().string();
    for (const std::string part : kParts) {
      if (!entry.is_regular_file() || !stem.ends_with("_" + part)) continue;
      const std::string name = stem.substr(0, stem.size() - part.size() - 1);
      if (!found[name].emplace(part, entry.path().string()).second) twice[name] = stem;
      break;
    }
  }
  EvalPairs read;
  for (auto& [name, files] : found) {
    if (!files.contains("ours")) continue;  // a corpus holds more songs than were made
    if (twice.contains(name)) {
      read.remarks.push_back({name, twice[name] + " is there twice, with two endings; expected one"});
    } else if (!files.contains("no_vocals")) {
      read.remarks.push_back({name, name + "_ours has no " + name + "_no_vocals beside it"});
    } else {
      read.pairs.push_back({name, files["vocals"], files["no_vocals"], files["ours"]});
    }
  }
  if (read.pairs.empty() && read.remarks.empty()) {
    throw Error(folder.string() +
                " holds no NAME_ours.EXT beside NAME_no_vocals.EXT; expected the accompaniments to be "
                "judged under that name");
  }
  return read;
}

std::vector<Fields> csv_rows(std::istream& in) {
  std::vector<Fields> rows;
  std::vector<std::string> columns;
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    std::vector<std::string> fields = split_csv(line);
    if (columns.empty()) {
      columns = fields;
      continue;
    }
    Fields row;
    for (size_t i = 0; i < std::min(fields.size(), columns.size()); ++i) row[columns[i]] = fields[i];
    if (fields.size() != columns.size()) row.clear();  // refused as a row without its files
    rows.push_back(row);
  }
  return rows;
}

std::vector<Fields> json_rows(std::istream& in, const std::string& file) {
  std::vector<Fields> rows;
  const auto list = nlohmann::json::parse(in, nullptr, false);
  if (!list.is_array()) throw Error(file + " is no JSON array of objects with " + kColumns);
  for (const auto& item : list) {
    Fields row;
    for (const auto& [key, value] : item.items()) {
      if (value.is_string()) row[key] = value.get<std::string>();
    }
    rows.push_back(row);
  }
  return rows;
}

EvalPairs from_list(const std::filesystem::path& list) {
  std::ifstream in(list);
  std::vector<Fields> rows = list.extension() == ".json" ? json_rows(in, list.string()) : csv_rows(in);
  if (rows.empty()) throw Error(list.string() + " lists nothing; expected entries of " + kColumns);
  EvalPairs read;
  const auto path = [&](const std::string& text) {
    return text.empty() ? std::filesystem::path() : list.parent_path() / text;
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    Fields& row = rows[i];
    if (row["no_vocals"].empty() || row["ours"].empty()) {
      read.remarks.push_back(
          {"entry " + std::to_string(i + 1), std::string("lacks no_vocals or ours; expected the columns ") + kColumns});
      continue;
    }
    read.pairs.push_back({row["name"].empty() ? std::filesystem::path(row["ours"]).stem().string() : row["name"],
                          path(row["vocals"]), path(row["no_vocals"]), path(row["ours"])});
  }
  std::ranges::stable_sort(read.pairs, {}, &EvalPair::name);
  return read;
}

// Length in seconds, and whether anything is to be heard.
struct Heard {
  double seconds = 0;
  bool silent = true;
};

Heard listen(const std::filesystem::path& file) {
  SoundReader sound(file);
  Heard heard;
  std::vector<float> block(65536);
  size_t samples = 0;
  while (const size_t got = sound.read(block)) {
    samples += got;
    for (size_t i = 0; i < got; ++i) heard.silent = heard.silent && std::abs(block[i]) < kSilentAmplitude;
  }
  heard.seconds = static_cast<double>(samples) / sound.sample_rate();
  return heard;
}

std::string seconds(double value) {
  const auto tenths = std::to_string(std::lround(value * 10));
  return (tenths.size() > 1 ? tenths.substr(0, tenths.size() - 1) : "0") + "." + tenths.back() + " s";
}

// What keeps a pair from being compared; empty: nothing.
std::string flaw(const EvalPair& pair, bool& silent_ours) {
  const Heard truth = listen(pair.truth), ours = listen(pair.ours);
  const Heard voice = pair.vocals.empty() ? Heard{truth.seconds, false} : listen(pair.vocals);
  if (truth.silent) return pair.truth.string() + " is silent: there is nothing to compare with";
  if (voice.silent) return pair.vocals.string() + " is silent: nobody sings";
  const auto [shortest, longest] = std::minmax({truth.seconds, ours.seconds, voice.seconds});
  if (longest - shortest > kUnequalSeconds) {
    return "unequal: the truth has " + seconds(truth.seconds) + ", ours " + seconds(ours.seconds) +
           (pair.vocals.empty() ? "" : ", the voice " + seconds(voice.seconds));
  }
  if (shortest < 1) return "has " + seconds(shortest) + " of sound; expected a second at least";
  silent_ours = ours.silent;
  return {};
}

}  // namespace

std::vector<std::string> split_csv(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

EvalPairs read_pairs(const std::filesystem::path& pairs) {
  if (!std::filesystem::is_directory(pairs) && !std::filesystem::is_regular_file(pairs)) {
    throw Error("no such folder or list: " + pairs.string() +
                "; expected NAME_no_vocals and NAME_ours in a folder, or a "
                ".csv or .json list of " +
                kColumns);
  }
  EvalPairs read = std::filesystem::is_directory(pairs) ? from_folder(pairs) : from_list(pairs);
  if (read.pairs.empty()) throw Error(pairs.string() + " holds no whole pair:" + lines(read.remarks));
  return read;
}

EvalPairs check_sounds(EvalPairs read) {
  EvalPairs checked{{}, std::move(read.remarks)};
  for (EvalPair& pair : read.pairs) {
    bool silent_ours = false;
    std::string wrong;
    try {
      wrong = flaw(pair, silent_ours);
    } catch (const Error& error) {
      wrong = error.what();
    }
    if (silent_ours)
      checked.remarks.push_back({pair.name, pair.ours.string() + " is silent; it counts as that", false});
    if (wrong.empty())
      checked.pairs.push_back(std::move(pair));
    else
      checked.remarks.push_back({pair.name, wrong});
  }
  const auto unsung = [](const EvalPair& pair) { return pair.vocals.empty(); };
  if (!std::ranges::all_of(checked.pairs, unsung)) {
    for (const EvalPair& pair : checked.pairs) {
      if (unsung(pair))
        checked.remarks.push_back({pair.name, "has no voice: no harmony of it, no mixes at all", false});
    }
  }
  if (checked.pairs.empty()) throw Error("there is no pair that can be compared:" + lines(checked.remarks));
  return checked;
}

MakersReport makers_report(const std::filesystem::path& ours) {
  std::ifstream in(std::filesystem::path(ours).replace_extension(".json"));
  const auto json = in ? nlohmann::json::parse(in, nullptr, false) : nlohmann::json();
  MakersReport report;
  if (!json.is_object()) return report;
  if (const auto found = json.find("real_time_factor"); found != json.end() && found->is_number())
    report.real_time_factor = found->get<double>();
  if (const auto found = json.find("join_s"); found != json.end() && found->is_array()) {
    for (const auto& join : *found) {
      if (join.is_number()) report.joins_s.push_back(join.get<double>());
    }
  }
  return report;
}

}  // namespace fastsag::daemon
