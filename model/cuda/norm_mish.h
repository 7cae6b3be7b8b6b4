#pragma once
// Group norm, Mish, time embedding, mask and residual after a convolution, in two passes over its answer: one adds up
// (the block that ends last turns sums into a scale and a shift per channel), one applies.
//
// Shapes: x, out, residual [items][rows][channels], row = height * width of an image, channels_last; 8 groups; the
// vectors of channels float. Fits: norm_fits().
// Threads: as the stream. Errors: a message, or null where all is well.
// Source: Wu and He 2018 (group norm), Misra 2019 (Mish); REFERENCE.md section 7.
#include "model/cuda/portable.h"

namespace fastsag::model::cuda {

inline constexpr int kGroups = 8, kGroupThreads = kThreads / kGroups;

template <class T>
struct NormArgs {
  const T* x;
  T* out;             // may be x
  const T* residual;  // or null; may be out
  int64_t items, rows, channels, width;
  const float* bias;         // of the convolution, which was made without
  const float *gain, *move;  // of the norm: y gain + move
  const float* extra;        // added to Mish's answer: [items][extra_stride]; stride 0: one for all; or null
  int64_t extra_stride;
  const float* residual_bias;  // or null
  const float* mask;           // [items][mask_stride], by row % width; stride 0: one for all
  int64_t mask_stride;
  bool mask_all;   // the residual too; else it is as it comes
  int64_t absent;  // rows that were left out, where the convolution says its bias
  double* sums;       // scratch [items][norm_slices][8][2]
  float* affine;      // scratch [items][2][channels]
  unsigned* arrived;  // scratch [items]; 0 at first, and 0 again after each call
};

template <class T>
const char* norm_mish(const NormArgs<T>& args, void* stream);
template <class T>
void norm_mish_reference(const NormArgs<T>& args);

FASTSAG_BOTH int64_t norm_slices(int64_t rows) { return within(rows / 64, 1, 256); }

// Channels that a thread takes at once: of one group.
template <class T>
FASTSAG_BOTH int norm_pack(int64_t channels) {
  return channels / kGroups % kWidest<T> == 0 ? kWidest<T> : 1;
}
template <class T>
bool norm_fits(int64_t channels) {
  return channels > 0 && channels % kGroups == 0 && kThreads % (channels / norm_pack<T>(channels)) == 0;
}

struct Moments {
  float sum = 0, square = 0;
};

// Of thread `thread` of the block of a slice.
template <class T, int V>
FASTSAG_BOTH Moments norm_thread(const NormArgs<T>& a, int64_t item, int64_t slice, int thread) {
  const int64_t slices = norm_slices(a.rows), each = (a.rows + slices - 1) / slices;
  const int64_t packs = a.channels / V, channel = thread % packs * V;
  const int64_t end = smaller(a.rows, (slice + 1) * each), step = kThreads / packs;
  const T* const x = a.x + item * a.rows * a.channels + channel;
  float bias[V];
  for (int v = 0; v < V; ++v) bias[v] = a.bias[channel + v];
  Moments m;
#ifdef __CUDA_ARCH__
#pragma unroll 4
#endif
  for (int64_t row = slice * each + thread / packs; row < end; row += step) {
    float y[V];
    load(x + row * a.channels, y);
    for (int v = 0; v < V; ++v) {
      const float z = y[v] + bias[v];
      m.sum += z;
      m.square += z * z;
    }
  }
  return m;
}

// Where a thread's moments belong: kGroupThreads threads see one group.
template <class T, int V>
FASTSAG_BOTH int norm_group(const NormArgs<T>& a, int thread) {
  const int64_t packs = a.channels / V;
  return static_cast<int>(thread % packs / (packs / kGroups));
}
template <class T, int V>
FASTSAG_BOTH int norm_member(const NormArgs<T>& a, int thread) {
  const int64_t packs = a.channels / V, own = packs / kGroups;
  return static_cast<int>(thread / packs * own + thread % packs % own);
}

template <class T>
FASTSAG_BOTH double* norm_sums(const NormArgs<T>& a, int64_t item, int64_t slice, int group) {
  return a.sums + ((item * norm_slices(a.rows) + slice) * kGroups + group) * 2;
}

// Leaves x scale + shift = (x + bias - mean) / deviation * gain + move. `sum` and `square` are of what is there.
template <class T>
FASTSAG_BOTH void norm_affine(const NormArgs<T>& a, int64_t item, int64_t channel, double sum, double square) {
  const int64_t each = a.channels / kGroups, first = channel / each * each;
  for (int64_t c = first; a.absent > 0 && c < first + each; ++c) {
    const double alone = a.bias[c];
    sum += static_cast<double>(a.absent) * alone;
    square += static_cast<double>(a.absent) * alone * alone;
  }
  const double count = static_cast<double>((a.rows + a.absent) * each), mean = sum / count;
  const double variance = square / count - mean * mean;
  const double scale = a.gain[channel] / std::sqrt((variance > 0 ? variance : 0) + 1e-5);
  float* const affine = a.affine + item * 2 * a.channels;
  affine[channel] = static_cast<float>(scale);
  affine[a.channels + channel] = static_cast<float>(a.move[channel] + (a.bias[channel] - mean) * scale);
}

// Thread `thread` of `threads`, which are a multiple of kThreads: the same channels in every row it comes to.
template <class T, int V>
FASTSAG_BOTH void norm_apply(const NormArgs<T>& a, int64_t item, int64_t thread, int64_t threads) {
  const int64_t packs = a.channels / V, channel = thread % packs * V, at = item * a.rows * a.channels + channel;
  const float* const affine = a.affine + item * 2 * a.channels + channel;
  const float* const mask = a.mask + item * a.mask_stride;
  float scale[V], shift[V], extra[V], more[V];
  for (int v = 0; v < V; ++v) {
    scale[v] = affine[v];
    shift[v] = affine[a.channels + v];
    extra[v] = a.extra ? a.extra[item * a.extra_stride + channel + v] : 0;
    more[v] = a.residual_bias ? a.residual_bias[channel + v] : 0;
  }
  for (int64_t row = thread / packs; row < a.rows; row += threads / packs) {
    const float frame = mask[row % a.width];
    float x[V], rest[V] = {};
    load(a.x + at + row * a.channels, x);
    if (a.residual) load(a.residual + at + row * a.channels, rest);
    for (int v = 0; v < V; ++v) {
      const float made = (mish_of(x[v] * scale[v] + shift[v]) + extra[v]) * frame, other = rest[v] + more[v];
      x[v] = made + (a.mask_all ? other * frame : other);
    }
    store(a.out + at + row * a.channels, x);
  }
}

}  // namespace fastsag::model::cuda
