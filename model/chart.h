#pragma once
// A chord chart: ChordPro text -> the chord of every beat.
//
// ChordPro's chords over words say nothing about time, so a chart needs bars:
//   {title: Blues}  {key: A}  {tempo: 96}  {time: 4/4}
//   {start_of_grid}
//   |: A . D . | % | E7 | A :|
//   {end_of_grid}
//   | [A]Woke up this | [D]morning, [A]yes |
// A grid, or a line that begins with |, is cells between bar lines: chords, `.` or `/` (the chord goes on), `%` (the
// bar before once more). In a line of words with bar lines the chords in brackets count, those of a line without are
// words. The cells of a bar share its beats evenly (of three in four beats the first has two); an empty bar goes on
// with its chord. |: :| play twice, {chorus} plays the bars between {start_of_chorus} and {end_of_chorus} again, {capo}
// moves the whole chart, {transpose} what follows it. The chart begins again at its end. Not read, and said: endings
// (|1, |2), another {time} once bars have come, a second song. Tablature and other directives are passed over.
//
// Units: chords a beat, {time}'s first number of them a bar (4 where none is given). Chords: see chord_reader.h.
// Errors: fastsag::Error "song.cho:3:7: what was found, what was expected": line and column, in characters, from 1.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/plan.h"

namespace fastsag::model {

struct Chart {
  static constexpr size_t kMostBytes = 32 * 1024;
  static constexpr size_t kMostBars = 4096;

  std::string title;
  std::optional<Chord> key;  // where {key} names one and no other after it
  double tempo_bpm = 0;      // 0: none given
  int beats_per_bar = 4;
  std::vector<Chord> beats;  // whole bars, one or more

  // Of the beat that many beats after the beginning, which may be below 0.
  const Chord& at(int64_t beat) const;
  bool operator==(const Chart&) const = default;
};

// `name` stands in messages.
Chart read_chart(std::string_view text, std::string_view name = "chart");
Chart load_chart(const std::filesystem::path& file);

}  // namespace fastsag::model
