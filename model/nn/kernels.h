#pragma once
// Loops of our own for what LibTorch does in many passes over memory: between two convolutions everything is one pass.
// Compiled for three kinds of processor (AVX-512, AVX2, plain), the best one chosen while running.
//
// Shapes: rows of channels, as channels_last has them: element (row, channel) at row * channels + channel.
// T: float, or bfloat16 as uint16_t; all arithmetic is float.
// Threads: none of its own; callers divide the rows.
#include <cstdint>

namespace fastsag::model {

inline constexpr int64_t kLaneMultiple = 16;    // channels of everything but the snake are a multiple of this
inline constexpr int64_t kAttentionKeys = 128;  // 4 heads of 32

// Sums over rows of each channel and its square, added to `sum` and `square`.
template <class T>
struct MomentsArgs {
  const T* x;
  int64_t rows, channels;
  double *sum, *square;
};

// out = (mish(x * scale + shift) + extra) * mask + residual; out may be x.
template <class T>
struct MishArgs {
  const T* x;
  T* out;
  const T* residual;                   // or null
  const float *scale, *shift, *extra;  // [channels]; extra or null
  const float* mask;                   // of a row: mask[(first_row + row) % width]
  int64_t width, first_row, rows, channels;
};

// One pass of softmax attention over rows for all keys at once: of k = x wk it keeps, per key, the largest k, the sum
// of exp(k - largest), and the sum of exp(k - largest) * x.
template <class T>
struct GatherArgs {
  const T* x;
  int64_t rows, channels;
  const float* wk;              // [channels][128]
  float *largest, *sum, *seen;  // [128], [128], [128][channels]; begun as -inf, 0, 0
};

// out = x + x matrix + bias; out may be x.
template <class T>
struct MatrixArgs {
  const T* x;
  T* out;
  int64_t rows, channels;
  const float *matrix, *bias;  // [channels in][channels out], [channels]
};

// The anti-aliased snake (snake.h) for rows first .. last of a signal of `rows` rows.
template <class T>
struct SnakeArgs {
  const T* x;
  T* out;
  int64_t rows, channels, first, last;
  const float *alpha, *gain;  // [channels]: e^alpha / pi and 1 / (e^beta + 1e-9)
  const float *up, *down;     // [12]
};

template <class T>
struct Kernels {
  void (*moments)(const MomentsArgs<T>&);
  void (*mish)(const MishArgs<T>&);
  void (*gather)(const GatherArgs<T>&);
  void (*matrix)(const MatrixArgs<T>&);
  void (*snake)(const SnakeArgs<T>&);
};

// For this processor. T is float or uint16_t.
template <class T>
const Kernels<T>& kernels();

bool has_avx512();
// Whether this processor multiplies bfloat16 faster than float.
bool has_bf16();

}  // namespace fastsag::model
