#include "model/nn/rows.h"

#include <cmath>
#include <numbers>
#include <type_traits>

#include "model/nn/kernels.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#define FASTSAG_VARIANTS
#endif

// As in kernels.cpp.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace fastsag::model {
namespace {

// Of to_frequencies(): [frequency][number], frequencies 0 .. 6 and 1 .. 5.
struct Circle {
  Circle() {
    for (int k = 0; k < 7; ++k)
      for (int j = 0; j < 7; ++j) cosine[k][j] = scaled(k, std::cos(angle(k, j)));
    for (int k = 1; k < 6; ++k)
      for (int j = 1; j < 6; ++j) sine[k - 1][j - 1] = scaled(k, std::sin(angle(k, j)));
  }
  static double angle(int k, int j) { return std::numbers::pi / 6 * k * j; }
  static float scaled(int k, double x) { return static_cast<float>(x * std::sqrt((k % 6 == 0 ? 1 : 2) / 12.)); }
  float cosine[7][7], sine[5][5];
};
const Circle kCircle;

namespace plain {
constexpr int kLanes = 4;
#include "model/nn/rows.inl"
}  // namespace plain

#ifdef FASTSAG_VARIANTS
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
namespace avx2 {
constexpr int kLanes = 8;
#include "model/nn/rows.inl"
}  // namespace avx2
#pragma GCC pop_options

#define FASTSAG_AVX512
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
namespace avx512 {
constexpr int kLanes = 16;
#include "model/nn/rows.inl"
}  // namespace avx512
#pragma GCC pop_options

#define FASTSAG_BF16_DOT
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,avx512bf16")
namespace avx512_bf16 {
constexpr int kLanes = 16;
#include "model/nn/rows.inl"
}  // namespace avx512_bf16
#pragma GCC pop_options
#endif

}  // namespace

const RowLoops& row_loops() {
#ifdef FASTSAG_VARIANTS
  if (has_bf16()) return avx512_bf16::kLoops;
  if (has_avx512()) return avx512::kLoops;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kLoops;
#endif
  return plain::kLoops;
}

}  // namespace fastsag::model
