#pragma once
// BigVGAN's anti-aliased activation (nn/snake.h) in one pass: a thread walks along a run of samples of its channels and
// keeps what the two filters still need of the doubled signal in registers; nothing of it is ever written.
//
// Shapes: x, out [items][rows][channels], channels_last; alpha, gain, bias [channels]; up, down [12].
// Errors: a message, or null where all is well.
// Source: nn/snake.h.
#include "model/cuda/portable.h"

namespace fastsag::model::cuda {

template <class T>
struct SnakeRunArgs {
  const T* x;
  T* out;  // not x
  int64_t items, rows, channels;
  const float* bias;          // of the convolution before, which was made without; or null
  const float *alpha, *gain;  // e^alpha / pi and 1 / (e^beta + 1e-9)
  const float *up, *down;
};

template <class T>
const char* snake_run(const SnakeRunArgs<T>& args, void* stream);
template <class T>
void snake_run_reference(const SnakeRunArgs<T>& args);

inline constexpr int64_t kSnakeRun = 32;  // samples; three more on either side are made again for the neighbour

template <class T>
FASTSAG_BOTH int snake_pack(int64_t channels) {  // channels of a thread: 4 bytes
  return sizeof(T) == 2 && channels % 2 == 0 ? 2 : 1;
}
template <class T>
FASTSAG_BOTH int64_t snake_threads(const SnakeRunArgs<T>& a) {  // of an item
  return (a.rows + kSnakeRun - 1) / kSnakeRun * (a.channels / snake_pack<T>(a.channels));
}

// What a thread holds, of V channels: x of seven rows, the even and odd samples of the doubled signal of six.
template <int V>
struct SnakeState {
  float x[7][V], even[6][V], odd[6][V];
};

template <int N, int V>
FASTSAG_BOTH void push(float (&window)[N][V], const float (&next)[V]) {
#ifdef __CUDA_ARCH__
#pragma unroll
#endif
  for (int i = 0; i + 1 < N; ++i)
    for (int v = 0; v < V; ++v) window[i][v] = window[i + 1][v];
  for (int v = 0; v < V; ++v) window[N - 1][v] = next[v];
}

template <class T, int V>
FASTSAG_BOTH void snake_thread(const SnakeRunArgs<T>& a, int64_t item, int64_t thread) {
  const int64_t packs = a.channels / V, channel = thread % packs * V, first = thread / packs * kSnakeRun;
  const int64_t end = smaller(first + kSnakeRun, a.rows), at = item * a.rows * a.channels + channel;
  float bias[V], alpha[V], gain[V], up[12], down[12];
  for (int v = 0; v < V; ++v) {
    bias[v] = a.bias ? a.bias[channel + v] : 0;
    alpha[v] = a.alpha[channel + v];
    gain[v] = a.gain[channel + v];
  }
  for (int i = 0; i < 12; ++i) up[i] = 2 * a.up[i], down[i] = a.down[i];
  const auto sample = [&](int64_t row, float(&to)[V]) {  // the signal's ends repeat
    load(a.x + at + within(row, 0, a.rows - 1) * a.channels, to);
    for (int v = 0; v < V; ++v) to[v] += bias[v];
  };
  SnakeState<V> s = {};
  const int64_t begin = within(first - 3, 0, a.rows - 1);
  for (int i = 0; i < 6; ++i) sample(begin - 3 + i, s.x[i + 1]);
  int64_t loaded = begin - 1;  // the row in the middle of s.x
  for (int64_t row = first - 3; row < end + 3; ++row) {
    if (const int64_t here = within(row, 0, a.rows - 1); here > loaded) {
      float next[V];
      sample(here + 3, next);
      push(s.x, next);
      loaded = here;
    }
    float even[V] = {}, odd[V] = {};
#ifdef __CUDA_ARCH__
#pragma unroll
#endif
    for (int q = 0; q < 6; ++q)
      for (int v = 0; v < V; ++v) {
        even[v] += s.x[5 - q][v] * up[2 * q + 1];
        odd[v] += s.x[6 - q][v] * up[2 * q];
      }
    for (int v = 0; v < V; ++v) {
      even[v] += sine_squared(even[v] * alpha[v]) * gain[v];
      odd[v] += sine_squared(odd[v] * alpha[v]) * gain[v];
      if (row < 0) odd[v] = even[v];        // before the first: the first, which is even
      if (row >= a.rows) even[v] = odd[v];  // after the last: the last, which is odd
    }
    push(s.even, even);
    if (row >= first + 3) {
      float y[V] = {};
#ifdef __CUDA_ARCH__
#pragma unroll
#endif
      for (int q = 0; q < 6; ++q)
        for (int v = 0; v < V; ++v) y[v] += s.even[q][v] * down[2 * q + 1] + s.odd[q][v] * down[2 * q];
      store(a.out + at + (row - 3) * a.channels, y);
    }
    push(s.odd, odd);
  }
}

}  // namespace fastsag::model::cuda
