#include "daemon/eval_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

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

std::string cell(const MeanFigure& figure) {
  if (figure.clips == 0) return "-";
  std::string words = text("%.2f", figure.mean);
  if (figure.interval) words += text(" [%.2f, %.2f]", figure.interval->first, figure.interval->second);
  return words;
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

nlohmann::json to_json(const MusicReport& report) {
  const auto number = [](double x) { return std::isnan(x) ? nlohmann::json() : nlohmann::json(x); };
  nlohmann::json rows = nlohmann::json::array(), clips = nlohmann::json::array();
  for (size_t who = 0; who < kContenders.size(); ++who) {
    nlohmann::json row = {{"accompaniment", kContenders[who]}};
    for (size_t i = 0; i < kMusicFigures.size(); ++i) {
      const MeanFigure& figure = report.rows[who][i];
      if (figure.clips == 0) continue;
      row[kMusicFigures[i]] = {{"mean", figure.mean}, {"clips", figure.clips}};
      if (figure.interval) row[kMusicFigures[i]]["interval95"] = {figure.interval->first, figure.interval->second};
    }
    rows.push_back(std::move(row));
  }
  for (const auto& [name, all] : report.clips) {
    nlohmann::json clip = {{"name", name}};
    for (size_t who = 0; who < kContenders.size(); ++who) {
      for (size_t i = 0; i < kMusicFigures.size(); ++i) clip[kContenders[who]][kMusicFigures[i]] = number(all[who][i]);
    }
    clips.push_back(std::move(clip));
  }
  return {{"seconds", report.seconds}, {"resamples", report.resamples}, {"rows", rows}, {"clips", clips}};
}

std::string to_markdown(const MusicReport& report) {
  // Figures that nobody has need no column.
  std::vector<size_t> columns;
  for (size_t i = 0; i < kMusicFigures.size(); ++i) {
    if (std::ranges::any_of(report.rows, [i](const auto& row) { return row[i].clips > 0; })) columns.push_back(i);
  }
  std::string words =
      text("%zu clips, %.0f s, each beside its controls.\n\n| accompaniment |", report.clips.size(), report.seconds);
  std::string rule = "\n|---|";
  for (const size_t i : columns) {
    words += text(" %s |", kMusicFigures[i]);
    rule += "---|";
  }
  words += rule + "\n";
  for (size_t who = 0; who < kContenders.size(); ++who) {
    words += text("| %s |", kContenders[who]);
    for (const size_t i : columns) words += " " + cell(report.rows[who][i]) + " |";
    words += "\n";
  }
  words +=
      "\ncons3_x, triad_x: harmony with the voice, chance 0. dbl: copies the singer. ch_cor: like the true chroma. "
      "beatF: beats within 70 ms. flat, peak, hnr: noise (all towards 0) against tones. attack: how sharply notes "
      "begin. silent: share "
      "below -50 dBFS. lufs: integrated loudness (BS.1770). seam: jump at joins over that elsewhere. rtf: real-time "
      "factor. drift: second half minus first.";
  if (report.resamples > 0 && report.clips.size() > 1)
    words += text(" In brackets: 95 %% of %d resamples of the clips.", report.resamples);
  return words + "\n";
}

nlohmann::json to_json(std::span<const EvalRemark> remarks) {
  nlohmann::json list = nlohmann::json::array();
  for (const auto& [name, text, left_out] : remarks)
    list.push_back({{"name", name}, {"reason", text}, {"left_out", left_out}});
  return list;
}

std::string to_markdown(std::span<const EvalRemark> remarks) {
  std::string words;
  for (const auto& [name, text, left_out] : remarks)
    words += "* " + name + (left_out ? " is left out: " : " is used: ") + text + "\n";
  return words.empty() ? words : "\n" + words;
}

}  // namespace fastsag::daemon
