#include "daemon/eval_pairs.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "dsp/error.h"

namespace fastsag::daemon {
namespace {

using Fields = std::map<std::string, std::string>;
constexpr const char* kColumns = "vocals, no_vocals, ours, name";

// _vocals also ends _no_vocals, so the longer one is tried first.
constexpr const char* kParts[] = {"no_vocals", "vocals", "ours"};

std::vector<EvalPair> from_folder(const std::filesystem::path& folder) {
  std::map<std::string, Fields> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    for (const std::string part : kParts) {
      if (!entry.is_regular_file() || !stem.ends_with("_" + part)) continue;
      const std::string name = stem.substr(0, stem.size() - part.size() - 1);
      if (!found[name].emplace(part, entry.path().string()).second) {
        throw Error(folder.string() + " holds " + stem + " twice, with two endings; expected one");
      }
      break;
    }
  }
  std::vector<EvalPair> pairs;
  std::string missing;
  for (auto& [name, files] : found) {
    if (!files.contains("ours")) continue;  // a corpus holds more songs than were made
    if (!files.contains("no_vocals")) missing += "\n  " + name + "_ours has no " + name + "_no_vocals beside it";
    pairs.push_back({name, files["vocals"], files["no_vocals"], files["ours"]});
  }
  if (!missing.empty()) throw Error(folder.string() + " is not whole:" + missing);
  if (pairs.empty()) {
    throw Error(folder.string() +
                " holds no NAME_ours.EXT beside NAME_no_vocals.EXT; expected the accompaniments to be "
                "judged under that name");
  }
  return pairs;
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

std::vector<EvalPair> from_list(const std::filesystem::path& list) {
  std::ifstream in(list);
  std::vector<Fields> rows = list.extension() == ".json" ? json_rows(in, list.string()) : csv_rows(in);
  std::vector<EvalPair> pairs;
  std::string wrong;
  const auto path = [&](const std::string& text) {
    return text.empty() ? std::filesystem::path() : list.parent_path() / text;
  };
  for (size_t i = 0; i < rows.size(); ++i) {
    Fields& row = rows[i];
    if (row["no_vocals"].empty() || row["ours"].empty()) {
      wrong += "\n  entry " + std::to_string(i + 1) + " lacks no_vocals or ours";
      continue;
    }
    const EvalPair pair{row["name"].empty() ? std::filesystem::path(row["ours"]).stem().string() : row["name"],
                        path(row["vocals"]), path(row["no_vocals"]), path(row["ours"])};
    for (const auto& file : {pair.vocals, pair.truth, pair.ours}) {
      if (!file.empty() && !std::filesystem::exists(file)) wrong += "\n  no such file: " + file.string();
    }
    pairs.push_back(pair);
  }
  if (!wrong.empty()) throw Error(list.string() + " is not whole (columns: " + kColumns + "):" + wrong);
  if (pairs.empty()) throw Error(list.string() + " lists nothing; expected entries of " + kColumns);
  std::ranges::stable_sort(pairs, {}, &EvalPair::name);
  return pairs;
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

std::vector<EvalPair> read_pairs(const std::filesystem::path& pairs) {
  if (std::filesystem::is_directory(pairs)) return from_folder(pairs);
  if (!std::filesystem::is_regular_file(pairs)) {
    throw Error("no such folder or list: " + pairs.string() +
                "; expected NAME_no_vocals and NAME_ours in a folder, or a "
                ".csv or .json list of " +
                kColumns);
  }
  return from_list(pairs);
}

}  // namespace fastsag::daemon
