#pragma once
// What is left between two matrix products: a bias, another signal, a mask, a scale; and the last, one-channel
// convolution of the U-Net.
//
// Shapes: x, other, out [items][rows][channels], channels_last; mask by row % width.
// Errors: a message, or null where all is well.
#include "model/cuda/portable.h"

namespace fastsag::model::cuda {

// out = (x + other + bias) * scale * mask.
template <class T>
struct PixelArgs {
  const T* x;
  T* out;             // may be x or other
  const T* other;     // or null
  const float* bias;  // [channels], or null
  float scale;
  const float* mask;  // [items][mask_stride], or null; stride 0: one for all
  int64_t mask_stride, width;
  int64_t items, rows, channels;
};

// out = (sum over channels of x weight + bias) * mask, float [items][rows].
template <class T>
struct ProjectArgs {
  const T* x;
  float* out;
  const float *weight, *bias;  // [channels], [1]
  const float* mask;           // not null
  int64_t mask_stride, width;
  int64_t items, rows, channels;
};

template <class T>
const char* pixels(const PixelArgs<T>& args, void* stream);
template <class T>
void pixels_reference(const PixelArgs<T>& args);
template <class T>
const char* project(const ProjectArgs<T>& args, void* stream);
template <class T>
void project_reference(const ProjectArgs<T>& args);

template <class T>
FASTSAG_BOTH int pixel_pack(int64_t channels) {
  return channels % kWidest<T> == 0 ? kWidest<T> : 1;
}

// The i-th V neighbours of an item.
template <class T, int V>
FASTSAG_BOTH void pixel_thread(const PixelArgs<T>& a, int64_t item, int64_t i) {
  const int64_t packs = a.channels / V, row = i / packs, channel = i % packs * V;
  const int64_t at = (item * a.rows + row) * a.channels + channel;
  const float scale = a.scale * (a.mask ? a.mask[item * a.mask_stride + row % a.width] : 1);
  float x[V], other[V] = {};
  load(a.x + at, x);
  if (a.other) load(a.other + at, other);
  for (int v = 0; v < V; ++v) x[v] = (x[v] + other[v] + (a.bias ? a.bias[channel + v] : 0)) * scale;
  store(a.out + at, x);
}

template <class T, int V>
FASTSAG_BOTH void project_thread(const ProjectArgs<T>& a, int64_t item, int64_t row) {
  const T* const x = a.x + (item * a.rows + row) * a.channels;
  float sum = 0;
  for (int64_t c = 0; c < a.channels; c += V) {
    float y[V];
    load(x + c, y);
    for (int v = 0; v < V; ++v) sum += y[v] * a.weight[c + v];
  }
  a.out[item * a.rows + row] = (sum + *a.bias) * a.mask[item * a.mask_stride + row % a.width];
}

}  // namespace fastsag::model::cuda
