#pragma once
// What the kernels of this folder and their references on the CPU are both made of: the same functions, compiled twice.
// A kernel is thin: which thread does what; what a thread computes, and of which elements, is a function in a header.
//
// Storage is float or bfloat16 (its bits as uint16_t, as nn/kernels.h has it); arithmetic is float, sums of many are
// double. No float is added atomically: the same input gives the same bits at every run.
// C++17 without LibTorch: nvcc reads this too.
#include <cmath>
#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#include <cuda_bf16.h>
#define FASTSAG_BOTH __host__ __device__ inline
#else
#define FASTSAG_BOTH inline
#endif

namespace fastsag::model::cuda {

inline constexpr int kThreads = 256;  // of every block

FASTSAG_BOTH float widened(float x) { return x; }
FASTSAG_BOTH float widened(uint16_t x) {
#ifdef __CUDA_ARCH__
  return __uint_as_float(static_cast<uint32_t>(x) << 16);
#else
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
#endif
}

FASTSAG_BOTH void narrow(float x, float& out) { out = x; }
FASTSAG_BOTH void narrow(float x, uint16_t& out) {  // to the nearest, ties to even
#ifdef __CUDA_ARCH__
  out = __bfloat16_as_ushort(__float2bfloat16_rn(x));
#else
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  out = static_cast<uint16_t>(x == x ? (bits + 0x7fff + ((bits >> 16) & 1)) >> 16 : 0x7fc0);
#endif
}

// Neighbours that are read and written at once; their address is a multiple of their size.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T at[N];
};

template <class T>
inline constexpr int kWidest = 16 / static_cast<int>(sizeof(T));

template <class T, int N>
FASTSAG_BOTH void load(const T* from, float (&to)[N]) {
  const Pack<T, N> pack = *reinterpret_cast<const Pack<T, N>*>(from);
  for (int i = 0; i < N; ++i) to[i] = widened(pack.at[i]);
}
template <class T, int N>
FASTSAG_BOTH void store(T* to, const float (&from)[N]) {
  Pack<T, N> pack;
  for (int i = 0; i < N; ++i) narrow(from[i], pack.at[i]);
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

FASTSAG_BOTH int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
FASTSAG_BOTH int64_t within(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

FASTSAG_BOTH float exponential(float x) {
#ifdef __CUDA_ARCH__
  return __expf(x);
#else
  return std::exp(x);
#endif
}
FASTSAG_BOTH float quotient(float x, float y) {
#ifdef __CUDA_ARCH__
  return __fdividef(x, y);
#else
  return x / y;
#endif
}

// x tanh(ln(1 + e^x)) by one exponential.
FASTSAG_BOTH float mish_of(float x) {
  const float e = exponential(x < 20 ? x : 20), n = e * (e + 2);
  return x < 20 ? x * quotient(n, n + 2) : x;
}

// sin^2(pi x).
FASTSAG_BOTH float sine_squared(float x) {
  const float turn = 3.14159265f * (x - std::rint(x));  // within half a turn, where the fast sine is exact to 2^-21
#ifdef __CUDA_ARCH__
  const float s = __sinf(turn);
#else
  const float s = std::sin(turn);
#endif
  return s * s;
}

// The sum of 32 numbers as a warp makes it by shuffles.
inline double tree_sum(double (&x)[32]) {
  for (int half = 16; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x[i] += x[i + half];
  return x[0];
}

#ifdef __CUDACC__
__device__ inline double warp_sum(double x) {  // in every lane
  for (int half = 16; half > 0; half /= 2) x += __shfl_xor_sync(0xffffffffu, x, half);
  return x;
}
inline const char* launched() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}
inline unsigned blocks_for(int64_t threads, int64_t most = (int64_t{1} << 31) - 1) {
  const int64_t blocks = (threads + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < most ? blocks : most);
}
#endif

}  // namespace fastsag::model::cuda
