#include "model/chord_reader.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <span>

namespace fastsag::model {
namespace {

// Takes words off the front of a text.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}
  bool end() const { return text_.empty(); }
  bool next_is(std::string_view word) const { return text_.starts_with(word); }
  bool take(std::string_view word) {
    if (!next_is(word)) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  bool take_one(std::span<const std::string_view> words) {
    return std::ranges::any_of(words, [this](auto word) { return take(word); });
  }
  std::optional<int> take_root() {
    static constexpr std::array kRoots = {9, 11, 0, 2, 4, 5, 7};  // A to G
    if (text_.empty() || text_[0] < 'A' || text_[0] > 'G') return std::nullopt;
    int root = kRoots[static_cast<size_t>(text_[0] - 'A')];
    text_.remove_prefix(1);
    if (take("#") || take("♯"))
      ++root;
    else if (take("b") || take("♭"))
      --root;
    return (root + 12) % 12;
  }

 private:
  std::string_view text_;
};

using Names = std::initializer_list<std::string_view>;
bool take(Words& words, const Names& names) { return words.take_one({names.begin(), names.size()}); }

// Longer words first, where one begins like another.
Quality take_quality(Words& words) {
  const bool added = words.next_is("madd");
  if (!added && take(words, {"major", "Major", "maj", "Maj", "ma", "M", "Δ", "^"})) return Quality::major;
  if (take(words, {"minor", "min", "mi", "m", "-", "dim", "°", "º", "ø", "o"})) return Quality::minor;
  return Quality::major;  // also "aug" and "+", which are read as what is added
}

bool take_added(Words& words) {
  return take(words,
              {"major", "maj", "Maj", "ma", "M", "Δ", "^",  "sus", "add", "aug", "dim", "alt", "no", "b", "#", "♭",
               "♯",     "+",   "-",   "(",  ")", ",", "13", "11",  "6/9", "2",   "4",   "5",   "6",  "7", "9"});
}

}  // namespace

std::optional<Chord> read_chord(std::string_view text) {
  static constexpr std::array<std::string_view, 5> kNone = {"N.C.", "N.C", "NC", "N", "n.c."};
  if (std::ranges::find(kNone, text) != kNone.end()) return Chord{.confidence = 1};
  Words words(text);
  const auto root = words.take_root();
  if (!root) return std::nullopt;
  const Quality quality = take_quality(words);
  while (take_added(words)) {
  }
  if (words.take("/") && !words.take_root()) return std::nullopt;
  if (!words.end()) return std::nullopt;
  return Chord{0, *root, quality, 1};
}

std::optional<Chord> read_key(std::string_view text) {
  Words words(text);
  const auto root = words.take_root();
  if (!root) return std::nullopt;
  words.take(" ");
  const bool minor = !take(words, {"major", "maj"}) && take(words, {"minor", "min", "m"});
  if (!words.end()) return std::nullopt;
  return Chord{0, *root, minor ? Quality::minor : Quality::major, 1};
}

}  // namespace fastsag::model
