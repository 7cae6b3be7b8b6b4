#include "dsp/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace fastsag {
namespace {

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(std::string_view found, std::span<const std::string> known) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, found.size() / 3) + 1;
  for (const auto& name : known) {
    // "hop" for "hop_s": forgetting the unit is no typing error.
    const bool begins = found.size() >= 3 && name.starts_with(found);
    const size_t distance = begins ? 1 : edit_distance(found, name);
    if (distance < best_distance) best = name, best_distance = distance;
  }
  return best;
}

}  // namespace fastsag
