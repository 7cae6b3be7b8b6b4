#pragma once
// Two signals joined at constant power, whatever they have in common: the gains obey
//   g1^2 + g2^2 + 2 rho g1 g2 = 1,   rho = the correlation of the two over the overlap,
// so equal signals pass unchanged (rho = 1: g1 + g2 = 1) and unrelated ones by the classic equal-power curves (rho =
// 0).
//
// Threads: any. Real-time: no allocation.
#include <span>

namespace fastsag::dsp {

// Correlation at lag 0, -1..1; 0 where one of them is silent.
float correlation(std::span<const float> a, std::span<const float> b);

struct CrossfadeGains {
  float old_tail, fresh;
};
// x from 0 (all old) to 1 (all fresh). Opposed signals (rho < -0.5) are treated as rho = -0.5: keeping the power of
// what cancels out would take gains without bound.
CrossfadeGains crossfade_gains(float x, float rho);

// All spans of one length; out may be either of the two others.
void crossfade(std::span<const float> old_tail, std::span<const float> fresh, std::span<float> out);

}  // namespace fastsag::dsp
