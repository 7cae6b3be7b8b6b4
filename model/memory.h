#pragma once
// Memory that a preset takes, asked for before it is loaded: afterwards the system ends the program without a word.
//
// Units: bytes. Errors: fastsag::Error with what is needed, what there is, and which presets would fit.
#include <cstdint>
#include <filesystem>
#include <limits>

#include "model/preset.h"

namespace fastsag::model {

inline constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

// What this process may still take: the system's MemAvailable, or what its control groups (v2) leave, if that is less.
// kNoLimit where nothing says. `root` is / but for tests.
int64_t available_bytes(const std::filesystem::path& root = "/");

// The most that rendering one room takes; the weight files that are there count.
int64_t needed_bytes(const Preset& preset);

// Throws where `preset` needs more than `available`. `folder`: where others are looked for (load_preset).
void check_memory(const Preset& preset, int64_t available, const std::filesystem::path& folder = {});

// The largest resident size since reset_peak(), or since the start where the system has no such reset; 0 where it does
// not tell.
int64_t peak_bytes();
void reset_peak();

// For networks whose activations are large: glibc would keep the holes between them for itself, which made of the
// published model's 3.4 GB 6.2 GB. Does nothing for presets of small ones, which it would slow down.
void return_large_blocks(const Preset& preset);

}  // namespace fastsag::model
