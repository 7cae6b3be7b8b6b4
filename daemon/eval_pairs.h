#pragma once
// Which sounds `fastsag eval` compares: a folder of NAME_no_vocals.EXT (the true accompaniment) with NAME_ours.EXT (the
// one to be judged) and, where mixes and harmony are to be compared, NAME_vocals.EXT; or a list of such in CSV or JSON.
// NAME_ours.json beside NAME_ours.EXT is what `fastsag render --json` said of it.
//
// A list names its columns vocals, no_vocals, ours (and name, where the file's own will not do): CSV with a first line
// of column names, JSON an array of objects. Paths are relative to the list.
//
// What cannot be used is left out and said to be: half a pair, a file that cannot be read, a silent voice or truth,
// lengths more than a second apart. An accompaniment to be judged that is silent stays in: it is what was made.
// Errors: fastsag::Error where nothing is left, with everything that was left out.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace fastsag::daemon {

inline constexpr double kUnequalSeconds = 1;
inline constexpr float kSilentAmplitude = 1e-3f;  // -60 dB: a file that never reaches it holds no sound

struct EvalPair {
  std::string name;
  std::filesystem::path vocals;  // empty where there are none
  std::filesystem::path truth, ours;
};

struct EvalRemark {
  std::string name, text;
  bool left_out = true;
};

struct EvalPairs {
  std::vector<EvalPair> pairs;  // in the order of their names
  std::vector<EvalRemark> remarks;
};

EvalPairs read_pairs(const std::filesystem::path& pairs);
// Reads every sound once and leaves out the pairs that cannot be compared.
EvalPairs check_sounds(EvalPairs read);

// What the maker of an accompaniment said of it, where it did.
struct MakersReport {
  std::vector<double> joins_s;
  std::optional<double> real_time_factor;
};
MakersReport makers_report(const std::filesystem::path& ours);

// Fields of one line; quotes may hold commas, and doubled quotes one.
std::vector<std::string> split_csv(const std::string& line);

}  // namespace fastsag::daemon
