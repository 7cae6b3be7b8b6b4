#pragma once
// Which sounds `fastsag eval` compares: a folder of NAME_no_vocals.EXT (the true accompaniment) with NAME_ours.EXT (the
// one to be judged) and, where mixes are to be compared, NAME_vocals.EXT; or a list of such in CSV or JSON.
//
// A list names its columns vocals, no_vocals, ours (and name, where the file's own will not do): CSV with a first line
// of column names, JSON an array of objects. Paths are relative to the list.
//
// Errors: fastsag::Error that lists every pair that is not whole.
#include <filesystem>
#include <string>
#include <vector>

namespace fastsag::daemon {

struct EvalPair {
  std::string name;
  std::filesystem::path vocals;  // empty where there are none
  std::filesystem::path truth, ours;
};

// In the order of their names.
std::vector<EvalPair> read_pairs(const std::filesystem::path& pairs);

// Fields of one line; quotes may hold commas, and doubled quotes one.
std::vector<std::string> split_csv(const std::string& line);

}  // namespace fastsag::daemon
