#include "dsp/crossfade.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>
#include <numeric>

namespace fastsag::dsp {

float correlation(std::span<const float> a, std::span<const float> b) {
  assert(a.size() == b.size());
  const auto dot = [](std::span<const float> x, std::span<const float> y) {
    return std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  };
  const double power = std::sqrt(dot(a, a) * dot(b, b));
  return power > 1e-20 ? static_cast<float>(std::clamp(dot(a, b) / power, -1.0, 1.0)) : 0.0f;
}

CrossfadeGains crossfade_gains(float x, float rho) {
  const float angle = x * std::numbers::pi_v<float> / 2;
  const float old_tail = std::cos(angle), fresh = std::sin(angle);
  const float scale = 1 / std::sqrt(1 + 2 * std::max(rho, -0.5f) * old_tail * fresh);
  return {old_tail * scale, fresh * scale};
}

void crossfade(std::span<const float> old_tail, std::span<const float> fresh, std::span<float> out) {
  assert(old_tail.size() == out.size() && fresh.size() == out.size());
  const float rho = correlation(old_tail, fresh);
  for (size_t i = 0; i < out.size(); ++i) {
    const auto gains = crossfade_gains((static_cast<float>(i) + 0.5f) / static_cast<float>(out.size()), rho);
    out[i] = gains.old_tail * old_tail[i] + gains.fresh * fresh[i];
  }
}

}  // namespace fastsag::dsp
