#pragma once
// What the small networks of the lite preset do, in loops of our own: rows (frames, steps, tokens) of features times a
// matrix, and what stands between two such products. Weights are packed once; nothing here allocates.
// Compiled for four kinds of processor, the best one chosen while running (kernels.h has the others' loops).
//
// Shapes: row-major floats, `stride` floats from one row to the next. A row's answer does not depend on how many rows
// are asked for at once. Threads: any.
#include <cstdint>

namespace fastsag::model {

// What becomes of a product y: out = y, silu(y), gelu(y); out += y, silu(y).
enum class Then { store, silu, gelu, add, add_silu };

// out[row][o] = then(bias[o] + sum over taps t and features k of x[row * stride + t * tap_stride + k] w[t][k][o]).
// A convolution over time is one whose taps are rows.
struct DenseArgs {
  const float* x;
  int64_t rows, stride, taps, tap_stride, inputs;
  const void* weights;  // packed
  const float* bias;    // as many as packed columns
  float* out;
  int64_t out_stride, outputs;
  Then then;
};

// out = (x - mean) / deviation * gain + shift along the rows; gain and shift null: 1 and 0. A row's own scale and shift
// (FiLM) are one for all rows.
struct NormArgs {
  const float* x;
  float* out;
  int64_t rows, features, stride, out_stride;  // features: a multiple of 16
  const float *gain, *shift;
};

// out[row][c] = bias[c] + sum over taps of x[row * stride + tap * stride + c] w[tap][c]
struct DepthwiseArgs {
  const float* x;
  float* out;
  int64_t rows, features, stride, taps;
  const float *weights, *bias;  // [taps][features]
};

// Softmax attention of `queries` rows over `keys` rows for one head: out = softmax(scale q k + bias) v.
inline constexpr int kQueryTile = 4;
inline constexpr int64_t kKeyBlock = 64;
inline constexpr int64_t whole_blocks(int64_t keys) { return (keys + kKeyBlock - 1) / kKeyBlock * kKeyBlock; }
// Where a feature of a key is found in k.
inline constexpr int64_t key_place(int64_t key, int64_t feature, int64_t part) {
  return (key / kKeyBlock * part + feature) * kKeyBlock + key % kKeyBlock;
}
struct AttentionArgs {
  const float *q, *k, *v;  // k [block of keys][part][kKeyBlock]: keys lie beside each other
  float* out;
  int64_t queries, keys, part, q_stride, v_stride, out_stride;  // part: a multiple of 16
  float scale;
  const float* bias;  // [queries][keys], or null
  float* scores;      // [kQueryTile][keys, whole blocks], scratch
};

// Twelve that go round (pitch classes), by frequency: [12][channels] of a row <-> [kSlots][2][channels]. Slot 0 holds
// frequencies 0 and 6, slot k the cosines and sines of frequency k; orthonormal, so products of rows stay what they
// are.
inline constexpr int64_t kSlots = 6;
struct CircleArgs {
  const float* x;
  float* out;
  int64_t rows, channels;  // channels: a multiple of 16
  Then then;               // of from_frequencies()
};

struct RowLoops {
  int64_t columns;                                       // of a packed block
  void (*dense)(const DenseArgs&);                       // weights [outputs / columns][taps][inputs][columns] floats
  void (*dense_mixed)(const DenseArgs&);                 // weights in bf16, features in pairs
  void (*dense_half)(const DenseArgs&, uint16_t* copy);  // x in bf16 too; null where it is not there
  void (*norm)(const NormArgs&);
  void (*depthwise)(const DepthwiseArgs&);
  void (*attend)(const AttentionArgs&);
  void (*to_frequencies)(const CircleArgs&);
  void (*from_frequencies)(const CircleArgs&);
  void (*gate)(const float* x, float* out, int64_t count);  // out = tanh(x) sigmoid(x[count..])
  void (*exponential)(float* x, int64_t count);             // in place
  void (*add_row)(float* sum, const float* row, float factor, int64_t count);
};

const RowLoops& row_loops();

}  // namespace fastsag::model
