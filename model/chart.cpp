#include "model/chart.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>

#include "dsp/error.h"
#include "model/chord_reader.h"

namespace fastsag::model {
namespace {

constexpr double kSlowest_bpm = 30, kFastest_bpm = 300;
constexpr int kMostBeats = 16;  // a bar

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// For a message: short, and nothing that a terminal obeys.
std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 24)) out += static_cast<unsigned char>(c) < 32 || c == 127 ? '?' : c;
  return "\"" + out + (text.size() > 24 ? "...\"" : "\"");
}

template <typename Number>
std::optional<Number> number(std::string_view text, double low, double high) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && value >= low && value <= high ? std::optional(value) : std::nullopt;
}

class ChartReader {
 public:
  ChartReader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  Chart read() {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
    if (text_.size() > Chart::kMostBytes)
      fail_at_line("a chart of more than " + std::to_string(Chart::kMostBytes) + " bytes; expected fewer");
    for (size_t begin = 0; begin < text_.size(); ++line_number_) {
      const size_t end = std::min(text_.find('\n', begin), text_.size());
      line_ = text_.substr(begin, end - begin);
      read_line();
      begin = end + 1;
    }
    if (chart_.beats.empty()) fail_without_bars();
    if (keys_differ_) chart_.key.reset();
    for (Chord& chord : chart_.beats) chord = moved(chord, capo_);
    if (chart_.key) chart_.key = moved(*chart_.key, capo_);
    return std::move(chart_);
  }

 private:
  using Cells = std::vector<std::string_view>;  // views into line_

  [[noreturn]] void fail(std::string_view at, const std::string& what) const {
    const std::string_view before(line_.data(), static_cast<size_t>(at.data() - line_.data()));
    const auto column = 1 + std::ranges::count_if(before, [](char c) { return (c & 0xc0) != 0x80; });
    throw Error(std::string(name_) + ":" + std::to_string(line_number_) + ":" + std::to_string(column) + ": " + what);
  }
  [[noreturn]] void fail_at_line(const std::string& what) const { fail(line_, what); }
  [[noreturn]] void fail_without_bars() {
    line_number_ = std::max(barless_line_, 1);
    line_ = barless_.empty() ? text_ : barless_;
    fail(barless_.empty() ? line_ : line_.substr(line_.find('[')),
         barless_.empty()
             ? "no bars; expected lines such as | C . . . | G . Am . |"
             : "chords over words, but no bars; put bar lines between them, as in | [C]Twinkle | [F]little "
               "[C]star |, or add a line such as | C | F C |");
  }

  void read_line() {
    if (const size_t zero = line_.find('\0'); zero != line_.npos)
      fail(line_.substr(zero), "a zero byte; expected text");
    const std::string_view line = trimmed(line_);
    if (line.empty() || line.front() == '#') return;
    if (line.front() == '{') return directive(line);
    if (!skipped_until_.empty()) return;
    const bool bars = line.find('|') != line.npos, brackets = line.find('[') != line.npos;
    if (in_grid_ || (line.front() == '|' && !brackets)) return grid_row(line);
    if (bars && brackets) return sung_row(line);
    if (brackets && barless_.empty()) barless_ = line_, barless_line_ = line_number_;
  }

  // {name}, {name: value} or {name value}
  void directive(std::string_view line) {
    if (line.back() != '}') fail(line, "a directive without its }");
    const std::string_view inside = trimmed(line.substr(1, line.size() - 2));
    const size_t end = std::min(inside.find_first_of(": \t"), inside.size());
    std::string name(inside.substr(0, end));
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::string_view value = trimmed(inside.substr(end));
    if (value.starts_with(':')) value = trimmed(value.substr(1));
    if (!skipped_until_.empty()) {
      if (name == skipped_until_ || name == "eot") skipped_until_.clear();
      return;
    }
    if (name == "meta") {  // {meta: key C}
      const size_t space = std::min(value.find_first_of(" \t"), value.size());
      name = value.substr(0, space);
      value = trimmed(value.substr(space));
    }
    if (name == "title" || name == "t") chart_.title = value;
    if (name == "key") set_key(value);
    if (name == "tempo") set_tempo(value);
    if (name == "time") set_time(value);
    if (name == "capo" || name == "transpose") set_shift(name == "capo" ? capo_ : transpose_, name, value);
    if (name == "start_of_grid" || name == "sog") in_grid_ = true;
    if (name == "end_of_grid" || name == "eog") in_grid_ = false;
    if (name == "start_of_chorus" || name == "soc") chorus_begin_ = chorus_end_ = chart_.beats.size();
    if (name == "end_of_chorus" || name == "eoc") chorus_end_ = chart_.beats.size();
    if (name == "chorus") again(chorus_begin_, chorus_end_, line);
    if (name == "sot") skipped_until_ = "end_of_tab";
    for (const std::string_view block : {"tab", "abc", "ly", "svg", "textblock"})
      if (name == "start_of_" + std::string(block)) skipped_until_ = "end_of_" + std::string(block);
    if ((name == "new_song" || name == "ns") && !chart_.beats.empty()) fail(line, "a second song; a chart holds one");
  }

  void set_key(std::string_view value) {
    auto key = read_key(value);
    if (!key) fail(value, shown(value) + " is no key; expected " + std::string(kKeysAre));
    key = moved(*key, transpose_);
    keys_differ_ |= chart_.key && *chart_.key != *key;
    chart_.key = key;
  }
  void set_tempo(std::string_view value) {
    const auto bpm = number<double>(value, kSlowest_bpm, kFastest_bpm);
    if (!bpm) fail(value, shown(value) + " is no tempo; expected beats a minute, 30 to 300");
    if (chart_.tempo_bpm == 0) chart_.tempo_bpm = *bpm;
  }
  void set_time(std::string_view value) {
    const size_t slash = std::min(value.find('/'), value.size());
    const auto beats = number<int>(value.substr(0, slash), 1, kMostBeats);
    const bool whole = slash == value.size() || number<int>(value.substr(slash + 1), 1, 64);
    if (!beats || !whole) fail(value, shown(value) + " is no time; expected beats a bar, as 4/4, 3/4 or 6/8");
    if (!chart_.beats.empty() && *beats != chart_.beats_per_bar)
      fail(value, "another time after the first bar; expected one for the whole chart");
    chart_.beats_per_bar = *beats;
  }
  void set_shift(int& shift, const std::string& name, std::string_view value) {
    const auto semitones = number<int>(value.starts_with('+') ? value.substr(1) : value, -11, 11);
    if (!semitones) fail(value, shown(value) + " is no " + name + "; expected semitones, up to 11");
    shift = *semitones;
  }
  static Chord moved(Chord chord, int semitones) {
    if (chord.quality != Quality::none) chord.root = (chord.root + semitones + 12) % 12;
    return chord;
  }

  // Bar lines cut a row into segments; what stands before the first and after the last is a margin for words.
  void grid_row(std::string_view row) {
    Cells cells;
    bool open = false;
    while (!(row = trimmed(row)).empty()) {
      if (row.front() == '|' || row.starts_with(":|")) {
        if (open) add_bar(cells);
        row = bar_line(row);
        if (row == ".") row = {};  // |. is the last bar line of a song
        open = true;
        cells.clear();
        continue;
      }
      const size_t end = std::min(row.find_first_of(" \t\r|:", 1), row.size());
      cells.push_back(row.substr(0, end));
      row.remove_prefix(end);
    }
    if (!open) fail_at_line("a row of a grid without a bar line; expected | C . . . | G . . . |");
    // A row whose last bar line was forgotten, or words in the margin?
    const auto is_cell = [](std::string_view cell) {
      return cell == "." || cell == "/" || cell == "%" || read_chord(cell).has_value();
    };
    if (std::ranges::any_of(cells, is_cell)) add_bar(cells);
  }

  // Chords in brackets between bar lines; before the first and after the last line only what has a chord is a bar.
  void sung_row(std::string_view row) {
    Cells cells;
    bool open = false;
    while (!row.empty()) {
      if (row.front() == '|' || row.starts_with(":|")) {
        if (open || !cells.empty()) add_bar(cells);
        row = bar_line(row);
        open = true;
        cells.clear();
      } else if (row.front() == '[') {
        const size_t end = row.find(']');
        if (end == row.npos) fail(row, "a bracket without its ]");
        const std::string_view text = trimmed(row.substr(1, end - 1));
        if (!text.empty() && text.front() != '*') cells.push_back(text);  // [*words over the words]
        row.remove_prefix(end + 1);
      } else {
        row.remove_prefix(1);
      }
    }
    if (!cells.empty()) add_bar(cells);
  }

  // |, ||, |:, :|, :|: and their like; returns what follows.
  std::string_view bar_line(std::string_view row) {
    const size_t end = std::min(row.find_first_not_of("|:"), row.size());
    const std::string_view line = row.substr(0, end);
    const std::string_view rest = row.substr(end);
    if (!rest.empty() && rest.front() >= '1' && rest.front() <= '9')
      fail(row, "an ending (|1, |2), which is not read; write the bars out");
    if (line.front() == ':') {
      again(repeat_from_, chart_.beats.size(), row);
      repeat_from_ = chart_.beats.size();
    }
    if (line.back() == ':') repeat_from_ = chart_.beats.size();
    return rest;
  }

  void again(size_t begin, size_t end, std::string_view at) {
    make_room(end - begin, at);
    const size_t old = chart_.beats.size();
    chart_.beats.resize(old + end - begin);
    const auto first = chart_.beats.begin();
    std::copy_n(first + static_cast<std::ptrdiff_t>(begin), end - begin, first + static_cast<std::ptrdiff_t>(old));
  }
  void make_room(size_t beats, std::string_view at) const {
    if (chart_.beats.size() + beats > Chart::kMostBars * static_cast<size_t>(chart_.beats_per_bar))
      fail(at, "more than " + std::to_string(Chart::kMostBars) +
                   " bars; expected fewer: the chart begins again at its end");
  }

  void add_bar(const Cells& cells) {
    const auto beats = static_cast<size_t>(chart_.beats_per_bar);
    const size_t count = cells.size();
    make_room(beats, count > 0 ? cells[0] : line_);
    if (count > 0 && std::ranges::find(cells, "%") != cells.end()) {
      if (count > 1) fail(cells[0], "% among other cells; expected it alone: it stands for a whole bar");
      if (chart_.beats.empty()) fail(cells[0], "% in the first bar; there is no bar before to repeat");
      return again(chart_.beats.size() - beats, chart_.beats.size(), cells[0]);
    }
    Chord chord = chart_.beats.empty() ? Chord{.confidence = 1} : chart_.beats.back();
    std::vector<Chord> bar(beats, chord);
    for (size_t i = 0; i < count; ++i) {
      const std::string_view text = cells[i];
      if (text == "." || text == "/") continue;
      const auto found = read_chord(text);
      if (!found) fail(text, shown(text) + " is no chord; expected " + std::string(kChordsAre));
      if (count > beats && i * beats % count != 0)
        fail(text, "a chord between two beats, or more than " + std::to_string(beats) +
                       " in a bar; expected one a beat at most");
      chord = moved(*found, transpose_);
      std::fill(bar.begin() + static_cast<std::ptrdiff_t>((i * beats + count - 1) / count), bar.end(), chord);
    }
    chart_.beats.insert(chart_.beats.end(), bar.begin(), bar.end());
  }

  std::string_view text_, name_, line_;
  int line_number_ = 1;
  Chart chart_;
  bool in_grid_ = false, keys_differ_ = false;
  std::string skipped_until_;  // the directive that ends what is passed over
  std::string_view barless_;   // the first line with chords and no bars
  int barless_line_ = 0;
  size_t repeat_from_ = 0, chorus_begin_ = 0, chorus_end_ = 0;  // beats
  int capo_ = 0, transpose_ = 0;
};

}  // namespace

const Chord& Chart::at(int64_t beat) const {
  const int64_t count = std::ssize(beats);
  return beats[static_cast<size_t>((beat % count + count) % count)];
}

Chart read_chart(std::string_view text, std::string_view name) { return ChartReader(text, name).read(); }

Chart load_chart(const std::filesystem::path& file) {
  std::error_code ignored;
  std::ifstream stream(file, std::ios::binary);
  std::string text(Chart::kMostBytes + 4, '\0');  // a byte order mark is not counted
  if (!std::filesystem::is_directory(file, ignored)) stream.read(text.data(), std::ssize(text));
  if (stream.gcount() == 0 && !stream.eof())
    throw Error("cannot read the chart " + file.string() + "; expected a ChordPro file that exists and may be read");
  text.resize(static_cast<size_t>(stream.gcount()));
  return read_chart(text, file.filename().string());
}

}  // namespace fastsag::model
