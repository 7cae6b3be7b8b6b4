#pragma once
// What linear attention over all pixels of an image needs between its matrix products. With k = x Wk the keys of all
// pixels, softmax over pixels, and q, v linear in x too, the attention's answer is x times one small matrix:
//   k = x Wk                              a product
//   attend_keys: per slice of the pixels and key, the largest k and the sum of e^(k - largest), which replaces k
//   seen = (that)^T x, per slice          a product
//   attend_fold: slices joined, v's and the answer's weights applied: fold [128][channels]
//   x + x (Wq^T fold) + bias              products, pixels.h
//
// Shapes: keys [items][rows][128]; largest, sum [items][slices][128] float; seen [items][slices][128][channels]; fold
// [items][128][channels]; slices = attend_slices(rows), of rows / slices rows each.
// Errors: a message, or null where all is well.
// Source: Shen et al. 2021 (efficient attention); nn/unet.h; nn/unet_fast.h, which does the same on the CPU.
#include "model/cuda/portable.h"

namespace fastsag::model::cuda {

inline constexpr int kHeads = 4, kHeadKeys = 32, kKeys = kHeads * kHeadKeys, kKeyWalkers = kThreads / 32;

template <class T>
struct KeysArgs {
  T* keys;  // replaced
  float *largest, *sum;
  int64_t items, rows;
};

template <class T>
struct FoldArgs {
  const T* seen;
  const float *largest, *sum;
  T* fold;
  const float* to_v;    // [heads][channels][32]
  const float* to_out;  // [heads][32][channels], times the attention's gain
  int64_t items, slices, channels;
  int64_t absent;  // pixels that were left out; their keys and colours are 0
};

template <class T>
const char* attend_keys(const KeysArgs<T>& args, void* stream);
template <class T>
void attend_keys_reference(const KeysArgs<T>& args);
template <class T>
const char* attend_fold(const FoldArgs<T>& args, void* stream);
template <class T>
void attend_fold_reference(const FoldArgs<T>& args);

inline constexpr int64_t kMostFoldChannels = 2048;

// The most up to 32 that divide the rows evenly and leave each at least 64.
FASTSAG_BOTH int64_t attend_slices(int64_t rows) {
  for (int64_t slices = within(rows / 64, 1, 32); slices > 1; --slices)
    if (rows % slices == 0) return slices;
  return 1;
}

// A block has 32 keys (of `head`) of one slice; walker w of kKeyWalkers takes every so-manieth row.
template <class T>
FASTSAG_BOTH T* keys_of(const KeysArgs<T>& a, int64_t item, int64_t slice, int head, int lane) {
  const int64_t each = a.rows / attend_slices(a.rows);
  return a.keys + (item * a.rows + slice * each) * kKeys + head * kHeadKeys + lane;
}

template <class T>
FASTSAG_BOTH float keys_largest(const KeysArgs<T>& a, const T* keys, int walker) {
  const int64_t each = a.rows / attend_slices(a.rows);
  float largest = -INFINITY;
#ifdef __CUDA_ARCH__
#pragma unroll 4
#endif
  for (int64_t row = walker; row < each; row += kKeyWalkers) largest = std::fmax(largest, widened(keys[row * kKeys]));
  return largest;
}

// The sum is of what is stored, so that shares add up to one.
template <class T>
FASTSAG_BOTH float keys_replace(const KeysArgs<T>& a, T* keys, int walker, float largest) {
  const int64_t each = a.rows / attend_slices(a.rows);
  float sum = 0;
#ifdef __CUDA_ARCH__
#pragma unroll 4
#endif
  for (int64_t row = walker; row < each; row += kKeyWalkers) {
    T share;
    narrow(exponential(widened(keys[row * kKeys]) - largest), share);
    keys[row * kKeys] = share;
    sum += widened(share);
  }
  return sum;
}

// What key `key` saw, on average, of channel `channel`.
template <class T>
FASTSAG_BOTH float fold_mean(const FoldArgs<T>& a, int64_t item, int key, int64_t channel) {
  const float* const largest = a.largest + item * a.slices * kKeys + key;
  const float* const sum = a.sum + item * a.slices * kKeys + key;
  const T* const seen = a.seen + (item * a.slices * kKeys + key) * a.channels + channel;
  float top = a.absent > 0 ? 0 : -INFINITY;
  for (int64_t s = 0; s < a.slices; ++s) top = std::fmax(top, largest[s * kKeys]);
  float above = 0, below = a.absent > 0 ? static_cast<float>(a.absent) * exponential(-top) : 0;
  for (int64_t s = 0; s < a.slices; ++s) {
    const float share = exponential(largest[s * kKeys] - top);
    above += share * widened(seen[s * kKeys * a.channels]);
    below += share * sum[s * kKeys];
  }
  return above / below;
}

// Its value, number e, from the channels of one of kKeyWalkers walkers.
template <class T>
FASTSAG_BOTH float fold_value(const FoldArgs<T>& a, const float* mean, int key, int walker, int e) {
  const float* const to_v = a.to_v + static_cast<int64_t>(key / kHeadKeys) * a.channels * kHeadKeys + e;
  float value = 0;
  for (int64_t c = walker; c < a.channels; c += kKeyWalkers) value += mean[c] * to_v[c * kHeadKeys];
  return value;
}

template <class T>
FASTSAG_BOTH void fold_write(const FoldArgs<T>& a, const float* value, int64_t item, int key, int64_t channel) {
  const float* const to_out = a.to_out + static_cast<int64_t>(key / kHeadKeys) * kHeadKeys * a.channels + channel;
  float made = 0;
  for (int e = 0; e < kHeadKeys; ++e) made += value[e] * to_out[e * a.channels];
  narrow(made, a.fold[(item * kKeys + key) * a.channels + channel]);
}

}  // namespace fastsag::model::cuda
