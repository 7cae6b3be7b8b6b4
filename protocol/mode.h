#pragma once
// The two modes are nothing but where the written slice lies relative to the newest voice sample.
#include <optional>
#include <string_view>

namespace fastsag::protocol {

enum class Mode {
  delayed,  // behind it: the voice around a slice is known; for listeners
  live,     // ahead of it: heard in time with the singer
};

constexpr std::string_view mode_name(Mode mode) { return mode == Mode::live ? "live" : "delayed"; }
constexpr std::optional<Mode> parse_mode(std::string_view name) {
  if (name == "delayed") return Mode::delayed;
  if (name == "live") return Mode::live;
  return std::nullopt;
}

}  // namespace fastsag::protocol
