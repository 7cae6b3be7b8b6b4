#include "model/nn/rows.h"

#include <cmath>
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
