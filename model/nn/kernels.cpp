#include "model/nn/kernels.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#define FASTSAG_VARIANTS
#endif

// GCC tells of every vector type that the plain processor has no registers for; nothing here crosses a library.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace fastsag::model {
namespace {

namespace plain {
constexpr int kLanes = 4;
#include "model/nn/kernels.inl"
}  // namespace plain

#ifdef FASTSAG_VARIANTS
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v3")
namespace avx2 {
constexpr int kLanes = 8;
#include "model/nn/kernels.inl"
}  // namespace avx2
#pragma GCC pop_options

#define FASTSAG_AVX512
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4")
namespace avx512 {
constexpr int kLanes = 16;
#include "model/nn/kernels.inl"
}  // namespace avx512
#pragma GCC pop_options

#define FASTSAG_BF16_DOT
#pragma GCC push_options
#pragma GCC target("arch=x86-64-v4,avx512bf16")
namespace avx512_bf16 {
constexpr int kLanes = 16;
#include "model/nn/kernels.inl"
}  // namespace avx512_bf16
#pragma GCC pop_options
#endif

}  // namespace

#ifdef FASTSAG_VARIANTS
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
bool has_bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }

template <class T>
const Kernels<T>& kernels() {
  if (has_bf16()) return avx512_bf16::kTable<T>;
  if (has_avx512()) return avx512::kTable<T>;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kTable<T>;
  return plain::kTable<T>;
}
#else
bool has_avx512() { return false; }
bool has_bf16() { return false; }

template <class T>
const Kernels<T>& kernels() {
  return plain::kTable<T>;
}
#endif

template const Kernels<float>& kernels();
template const Kernels<uint16_t>& kernels();

}  // namespace fastsag::model
