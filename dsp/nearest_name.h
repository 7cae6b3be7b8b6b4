#pragma once
// "Did you mean ...?": the known name that a person who mistyped one probably meant.
#include <span>
#include <string>
#include <string_view>

namespace fastsag {

// Empty when none is near.
std::string nearest_name(std::string_view found, std::span<const std::string> known);

}  // namespace fastsag
