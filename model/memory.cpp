#include "model/memory.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>

#include "dsp/error.h"
#include "model/safetensors.h"

namespace fastsag::model {
namespace {

namespace fs = std::filesystem;

constexpr double kLibraries = .55e9;  // LibTorch, the program, activations of a small network: lite takes .53 GB in all
constexpr double kEachWeight = 2;     // as read and as packed for the processor; at the published size activations too

// The number after `word` in a file of lines "word number".
std::optional<int64_t> number_after(const fs::path& file, const std::string& word) {
  std::ifstream in(file);
  for (std::string found; in >> found;) {
    int64_t value = 0;
    if (found == word && in >> value) return value;
    in.clear();
  }
  return {};
}

std::optional<int64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  int64_t value = 0;
  return in >> value ? std::optional(value) : std::nullopt;  // "max" is none
}

// The least that is left in the process's group and those above it. Pages of files that nobody reads are given back.
int64_t left_in_groups(const fs::path& root) {
  std::ifstream in(root / "proc/self/cgroup");
  std::string line;
  while (std::getline(in, line) && !line.starts_with("0::/")) {
  }
  if (!line.starts_with("0::/")) return kNoLimit;
  const fs::path top = root / "sys/fs/cgroup";
  int64_t left = kNoLimit;
  for (fs::path group = line.substr(4);; group = group.parent_path()) {
    const fs::path folder = group.empty() ? top : top / group;
    if (const auto limit = number_in(folder / "memory.max")) {
      const int64_t used = number_in(folder / "memory.current").value_or(0);
      const int64_t idle = number_after(folder / "memory.stat", "inactive_file").value_or(0);
      left = std::min(left, *limit - used + idle);
    }
    if (group.empty()) return left;
  }
}

double weights_of(const fs::path& file) {
  std::error_code ignored;
  if (file.empty() || !fs::is_regular_file(file, ignored)) return 0;
  double elements = 0;
  const SafetensorsFile weights(file);
  for (const TensorInfo& tensor : weights.header().tensors) elements += static_cast<double>(tensor.elements());
  return elements * sizeof(float);
}

std::string gigabytes(int64_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f GB", static_cast<double>(bytes) * 1e-9);
  return text.data();
}

// "lite (0.6 GB), small (0.6 GB)"
std::string fitting(int64_t available, const fs::path& folder) {
  std::string list;
  for (const std::string& name : preset_names(folder)) {
    try {
      const Preset preset = load_preset(name, folder);
      std::error_code ignored;
      const int64_t needed = needed_bytes(preset);
      if (fs::is_regular_file(preset.weights, ignored) && needed <= available)
        list += (list.empty() ? "" : ", ") + name + " (" + gigabytes(needed) + ")";
    } catch (const Error&) {  // a preset that is broken is none to recommend
    }
  }
  return list;
}

}  // namespace

int64_t available_bytes(const fs::path& root) {
  const auto kibibytes = number_after(root / "proc/meminfo", "MemAvailable:");
  return std::min(kibibytes ? *kibibytes * 1024 : kNoLimit, left_in_groups(root));
}

int64_t needed_bytes(const Preset& preset) {
  double weights = weights_of(preset.weights);
  for (const fs::path& file : {preset.front_end.weights, preset.vocoder.weights}) {
    if (file != preset.weights) weights += weights_of(file);
  }
  return static_cast<int64_t>(kLibraries + kEachWeight * weights);
}

void check_memory(const Preset& preset, int64_t available, const fs::path& folder) {
  const int64_t needed = needed_bytes(preset);
  if (needed <= available) return;
  const std::string others = fitting(available, folder);
  throw Error("preset " + preset.name + " needs about " + gigabytes(needed) + " of memory, and " +
              gigabytes(std::max<int64_t>(available, 0)) + " is to be had; " +
              (others.empty() ? "no preset that is here fits: free some, or raise the limit"
                              : "free some, or take one that fits: " + others));
}

int64_t peak_bytes() { return number_after("/proc/self/status", "VmHWM:").value_or(0) * 1024; }

void reset_peak() { std::ofstream("/proc/self/clear_refs") << "5\n"; }

void return_large_blocks(const Preset& preset) {
  if (preset.front_end.kind == "mert" || preset.vocoder.kind == "bigvgan") mallopt(M_MMAP_THRESHOLD, 4 << 20);
}

}  // namespace fastsag::model
