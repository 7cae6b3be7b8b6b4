#include "daemon/eval_report.h"

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace fastsag::daemon {
namespace {

using model::Distance;
using model::EvaluationReport;

template <typename... Values>
std::string text(const char* format, Values... values) {
  std::array<char, 256> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, values...);
  return buffer.data();
}

std::string cell(const std::optional<Distance>& distance) {
  if (!distance) return "-";
  std::string words = text("%.4g", distance->value);
  if (distance->interval) words += text(" [%.4g, %.4g]", distance->interval->first, distance->interval->second);
  return words;
}

nlohmann::json json_of(const Distance& distance) {
  nlohmann::json json = {{"distance", distance.value}};
  if (distance.interval) json["interval95"] = {distance.interval->first, distance.interval->second};
  return json;
}

}  // namespace

nlohmann::json to_json(const EvaluationReport& report, const model::EvaluationOptions& options) {
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& row : report.rows) {
    nlohmann::json json = {{"sound", row.sound},
                           {"features", row.features},
                           {"frames", row.frames},
                           {"dimensions", row.dimensions},
                           {"ours", json_of(row.ours)}};
    if (row.random) json["random_song"] = json_of(*row.random);
    rows.push_back(std::move(json));
  }
  return {{"clips", report.clips},
          {"seconds", report.seconds},
          {"truth_through_vocoder", !options.vocoder.empty()},
          {"resamples", report.clips <= model::kSmallSet ? options.resamples : 0},
          {"seed", options.seed},
          {"rows", std::move(rows)}};
}

std::string to_markdown(const EvaluationReport& report, const model::EvaluationOptions& options) {
  bool few = false, intervals = false;
  std::string table = "| sound | features | Fréchet distance | RandSong |\n|---|---|---|---|\n";
  for (const auto& row : report.rows) {
    table += "| " + row.sound + " | " + row.features + " | " + cell(row.ours) + " | " + cell(row.random) + " |\n";
    few = few || row.frames < 2 * row.dimensions;
    intervals = intervals || row.ours.interval;
  }
  std::string words = text("%lld clips, %.0f s, against the true accompaniments%s. Lower is nearer.\n\n",
                           static_cast<long long>(report.clips), report.seconds,
                           options.vocoder.empty() ? "" : " as the vocoder renders them");
  words += table;
  words += "\nRandSong: another song's true accompaniment in place of ours.";
  if (intervals) {
    words += text(
        " In brackets: 95 %% of %d resamples of the clips; fewer different clips are further apart, so they tend "
        "to lie above the distance itself.",
        options.resamples);
  }
  if (few)
    words += " **Too few frames for these dimensions: the distance says more about the set's size than its sound.**";
  if (!options.mert.empty()) words += "\nMERT mean: of the three layers' distances.";
  words +=
      "\nThe paper's Table 1 (arXiv 2405.07682) compares by such distances too; its figures are not part of this "
      "project.\n";
  return words;
}

}  // namespace fastsag::daemon
