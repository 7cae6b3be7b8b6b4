// The loops of rows.h. rows.cpp includes this once for each kind of processor, in a namespace of its own, with kLanes
// and the compiler's target set.
#include "model/nn/vectors.inl"

constexpr int kVectors = kLanes == 16 ? 4 : 2;  // of a block of columns; with kTile rows all sums stay in registers
constexpr int kTile = 6;
constexpr int64_t kColumns = kVectors * kLanes;

inline Vec sigmoid(Vec x) { return quotient(all(1), 1.f + exponential(larger(smaller(-x, all(80)), all(-80)))); }
inline Vec hyperbolic(Vec x) { return 2.f * sigmoid(2.f * x) - 1.f; }

// Abramowitz and Stegun 7.1.26, off by 1.5e-7 at most.
inline Vec gelu(Vec x) {
  const Vec z = larger(x, -x) * .70710678f, t = quotient(all(1), 1.f + .3275911f * z);
  Vec p = all(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - .284496736f;
  p = p * t + .254829592f;
  const Vec tail = p * t * exponential(larger(-z * z, all(-80)));  // 1 - erf
  return .5f * x * (x > 0 ? 2.f - tail : tail);
}

// `count` lanes or fewer.
inline Vec load_some(const float* from, int64_t count) {
  if (count >= kLanes) return load(from);
  Vec v{};
  for (int64_t i = 0; i < count; ++i) v[i] = from[i];
  return v;
}
inline void store_some(float* to, Vec v, int64_t count) {
  if (count >= kLanes) return store(to, v);
  for (int64_t i = 0; i < count; ++i) to[i] = v[i];
}

inline void settle(Then then, float* out, Vec y, int64_t count) {
  if (then == Then::silu || then == Then::add_silu) y = y * sigmoid(y);
  if (then == Then::gelu) y = gelu(y);
  if (then == Then::add || then == Then::add_silu) y += load_some(out, count);
  store_some(out, y, count);
}

inline void finish(const DenseArgs& a, int64_t row, int64_t column, Vec y) {
  if (a.outputs > column) settle(a.then, a.out + row * a.out_stride + column, y, a.outputs - column);
}

template <int kRows, int kWide>  // the first kWide vectors of a block
void dense_tile(const DenseArgs& a, int64_t row, int64_t block) {
  Vec sum[kRows][kWide];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kWide; ++v) sum[r][v] = load(a.bias + block * kColumns + v * kLanes);
  const float* w = static_cast<const float*>(a.weights) + block * a.taps * a.inputs * kColumns;
  for (int64_t tap = 0; tap < a.taps; ++tap) {
    const float* const x = a.x + row * a.stride + tap * a.tap_stride;
    for (int64_t k = 0; k < a.inputs; ++k, w += kColumns) {
      Vec column[kWide];
      for (int v = 0; v < kWide; ++v) column[v] = load(w + v * kLanes);
      for (int r = 0; r < kRows; ++r) {
        const float factor = x[r * a.stride + k];
        for (int v = 0; v < kWide; ++v) sum[r][v] += factor * column[v];
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kWide; ++v) finish(a, row + r, block * kColumns + v * kLanes, sum[r][v]);
}

// All blocks of columns, by tiles of rows; the last tile has what is left. Half of the last block may be empty.
template <class Tile>
void tiled(const DenseArgs& a, Tile tile) {
  constexpr std::integral_constant<int, kVectors> kWhole;
  const int64_t blocks = (a.outputs + kColumns - 1) / kColumns;
  for (int64_t block = 0; block < blocks; ++block) {
    const bool narrow = a.outputs - block * kColumns <= kColumns / 2;
    int64_t row = 0;
    for (; row + kTile <= a.rows; row += kTile)
      if (narrow)
        tile(std::integral_constant<int, kTile>{}, std::integral_constant<int, kVectors / 2>{}, row, block);
      else
        tile(std::integral_constant<int, kTile>{}, kWhole, row, block);
    switch (a.rows - row) {
      case 5: tile(std::integral_constant<int, 5>{}, kWhole, row, block); break;
      case 4: tile(std::integral_constant<int, 4>{}, kWhole, row, block); break;
      case 3: tile(std::integral_constant<int, 3>{}, kWhole, row, block); break;
      case 2: tile(std::integral_constant<int, 2>{}, kWhole, row, block); break;
      case 1: tile(std::integral_constant<int, 1>{}, kWhole, row, block); break;
      default: break;
    }
  }
}

void dense(const DenseArgs& a) {
  tiled(a, [&a](auto rows, auto wide, int64_t row, int64_t block) {
    dense_tile<decltype(rows)::value, decltype(wide)::value>(a, row, block);
  });
}

// Weights are bfloat16, two features beside each other; what they are multiplied by stays as it is.
template <int kRows>
void dense_mixed_tile(const DenseArgs& a, int64_t row, int64_t block) {
  Vec sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = load(a.bias + block * kColumns + v * kLanes);
  const int64_t pairs = (a.inputs + 1) / 2;
  const uint16_t* w = static_cast<const uint16_t*>(a.weights) + block * a.taps * pairs * 2 * kColumns;
  const auto add = [&](const float* x, auto feature) {
    Vec column[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      Word two;
      __builtin_memcpy(&two, w + 2 * v * kLanes, sizeof two);
      column[v] = reinterpret_cast<Vec>(feature == 0 ? two << 16 : two & 0xffff0000u);
    }
    for (int r = 0; r < kRows; ++r) {
      const float factor = x[r * a.stride + feature];
      for (int v = 0; v < kVectors; ++v) sum[r][v] += factor * column[v];
    }
  };
  constexpr std::integral_constant<int, 0> kFirst;
  constexpr std::integral_constant<int, 1> kSecond;
  for (int64_t tap = 0; tap < a.taps; ++tap) {
    const float* const x = a.x + row * a.stride + tap * a.tap_stride;
    int64_t k = 0;
    for (; k + 2 <= a.inputs; k += 2, w += 2 * kColumns) {
      add(x + k, kFirst);
      add(x + k, kSecond);
    }
    if (k < a.inputs) {
      add(x + k, kFirst);
      w += 2 * kColumns;
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) finish(a, row + r, block * kColumns + v * kLanes, sum[r][v]);
}

void dense_mixed(const DenseArgs& a) {
  tiled(a, [&a](auto rows, auto, int64_t row, int64_t block) { dense_mixed_tile<decltype(rows)::value>(a, row, block); });
}

#ifdef FASTSAG_BF16_DOT
template <int kRows, int kWide>
void dense_half_tile(const DenseArgs& a, const uint16_t* copy, int64_t pairs, int64_t row, int64_t block) {
  __m512 sum[kRows][kWide];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kWide; ++v) sum[r][v] = _mm512_loadu_ps(a.bias + block * kColumns + v * kLanes);
  const uint16_t* w = static_cast<const uint16_t*>(a.weights) + block * a.taps * pairs * 2 * kColumns;
  for (int64_t tap = 0; tap < a.taps; ++tap) {
    const uint16_t* const x = copy + (row + tap * (a.tap_stride / a.stride)) * pairs * 2;
    for (int64_t k = 0; k < pairs; ++k, w += 2 * kColumns) {
      __m512bh column[kWide];
      for (int v = 0; v < kWide; ++v)
        column[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(w + 2 * v * kLanes));
      for (int r = 0; r < kRows; ++r) {
        int32_t pair;
        __builtin_memcpy(&pair, x + (r * pairs + k) * 2, sizeof pair);
        const auto factor = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
        for (int v = 0; v < kWide; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], factor, column[v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kWide; ++v) finish(a, row + r, block * kColumns + v * kLanes, sum[r][v]);
}

// Taps are whole rows here: tap_stride is a multiple of stride.
void dense_half(const DenseArgs& a, uint16_t* copy) {
  const int64_t pairs = (a.inputs + 1) / 2, all_rows = a.rows + (a.taps - 1) * (a.tap_stride / a.stride);
  for (int64_t row = 0; row < all_rows; ++row) {
    const float* const x = a.x + row * a.stride;
    uint16_t* const to = copy + row * pairs * 2;
    int64_t k = 0;
    for (; k + kLanes <= a.inputs; k += kLanes) store(to + k, load(x + k));
    for (; k < pairs * 2; ++k) {
      const uint32_t bits = k < a.inputs ? __builtin_bit_cast(uint32_t, x[k]) : 0;
      to[k] = static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
  }
  tiled(a, [&](auto rows, auto wide, int64_t row, int64_t block) {
    dense_half_tile<decltype(rows)::value, decltype(wide)::value>(a, copy, pairs, row, block);
  });
}
#endif

inline float total(Vec v) {
  float part[kLanes];
  store(part, v);
  for (int half = kLanes / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) part[i] += part[i + half];
  return part[0];
}

void norm(const NormArgs& a) {
  const float count = static_cast<float>(a.features);
  for (int64_t row = 0; row < a.rows; ++row) {
    const float* const x = a.x + row * a.stride;
    float* const out = a.out + row * a.out_stride;
    Vec sum{}, square{};
    for (int64_t c = 0; c < a.features; c += kLanes) sum += load(x + c);
    const Vec mean = all(total(sum) / count);
    for (int64_t c = 0; c < a.features; c += kLanes) {
      const Vec off = load(x + c) - mean;
      square += off * off;
    }
    const Vec scale = all(1 / std::sqrt(total(square) / count + 1e-5f));
    for (int64_t c = 0; c < a.features; c += kLanes) {
      Vec y = (load(x + c) - mean) * scale;
      if (a.gain) y *= load(a.gain + c);
      if (a.shift) y += load(a.shift + c);
      store(out + c, y);
    }
  }
}

void depthwise(const DepthwiseArgs& a) {
  for (int64_t row = 0; row < a.rows; ++row)
    for (int64_t c = 0; c < a.features; c += kLanes) {
      Vec sum = load(a.bias + c);
      for (int64_t tap = 0; tap < a.taps; ++tap)
        sum += load(a.x + (row + tap) * a.stride + c) * load(a.weights + tap * a.features + c);
      store(a.out + row * a.stride + c, sum);
    }
}

// Queries i .. i + kRows. Keys lie beside each other, so that neither product has a sum across lanes. A sum waits for
// itself, so eight or so are under way at once.
template <int kRows>
void attend_tile(const AttentionArgs& a, int64_t i) {
  constexpr int kWide = kRows == 1 ? 4 : 2, kChains = kRows == 1 ? 8 : 2;
  const auto scores = [&a](int r) { return a.scores + r * whole_blocks(a.keys); };
  for (int64_t j = 0; j < a.keys; j += kWide * kLanes) {
    const float* const k = a.k + key_place(j, 0, a.part);
    Vec sum[kRows][kWide] = {};
    for (int64_t c = 0; c < a.part; ++c)
      for (int v = 0; v < kWide; ++v) {
        const Vec keys = load(k + c * kKeyBlock + v * kLanes);
        for (int r = 0; r < kRows; ++r) sum[r][v] += a.q[(i + r) * a.q_stride + c] * keys;
      }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kWide; ++v) store(scores(r) + j + v * kLanes, a.scale * sum[r][v]);
  }
  float sums[kRows];
  const int64_t whole = a.keys / kLanes * kLanes;
  for (int r = 0; r < kRows; ++r) {
    float* const own = scores(r);
    const float* const bias = a.bias ? a.bias + (i + r) * a.keys : nullptr;
    if (whole < a.keys) {  // what lies beyond the last key never counts
      for (int64_t j = a.keys; j < whole + kLanes; ++j) own[j] = -3e38f;
      if (bias)
        for (int64_t j = whole; j < a.keys; ++j) own[j] += bias[j];
    }
    Vec largest = all(-3e38f);
    for (int64_t j = 0; j < whole; j += kLanes) {
      const Vec score = bias ? load(own + j) + load(bias + j) : load(own + j);
      store(own + j, score);
      largest = larger(largest, score);
    }
    if (whole < a.keys) largest = larger(largest, load(own + whole));
    float most = largest[0];
    for (int lane = 1; lane < kLanes; ++lane) most = largest[lane] > most ? largest[lane] : most;
    Vec sum{};
    for (int64_t j = 0; j < a.keys; j += kLanes) {
      const Vec score = load(own + j);
      const Vec e = score > -1e38f ? exponential(larger(score - most, all(-87))) : Vec{};
      store(own + j, e);
      sum += e;
    }
    sums[r] = total(sum);
  }
  for (int64_t c = 0; c < a.part; c += kLanes) {
    Vec seen[kRows][kChains] = {};
    const auto see = [&](int64_t j, int chain) {
      const Vec value = load(a.v + j * a.v_stride + c);
      for (int r = 0; r < kRows; ++r) seen[r][chain] += scores(r)[j] * value;
    };
    int64_t j = 0;
    for (; j + kChains <= a.keys; j += kChains)
      for (int chain = 0; chain < kChains; ++chain) see(j + chain, chain);
    for (; j < a.keys; ++j) see(j, 0);
    for (int r = 0; r < kRows; ++r) {
      for (int chain = 1; chain < kChains; ++chain) seen[r][0] += seen[r][chain];
      store(a.out + (i + r) * a.out_stride + c, seen[r][0] / sums[r]);
    }
  }
}

void attend(const AttentionArgs& a) {
  int64_t i = 0;
  for (; i + kQueryTile <= a.queries; i += kQueryTile) attend_tile<kQueryTile>(a, i);
  for (; i < a.queries; ++i) attend_tile<1>(a, i);
}

// Numbers j and 12 - j share a cosine, and their sines are opposite: 7 x 7 and 5 x 5 in place of 12 x 12.
void to_frequencies(const CircleArgs& a) {
  for (int64_t row = 0; row < a.rows; ++row)
    for (int64_t c = 0; c < a.channels; c += kLanes) {
      const float* const x = a.x + row * 12 * a.channels + c;
      float* const out = a.out + row * 12 * a.channels + c;
      Vec sum[7], difference[5];
      sum[0] = load(x), sum[6] = load(x + 6 * a.channels);
      for (int j = 1; j < 6; ++j) {
        const Vec near = load(x + j * a.channels), far = load(x + (12 - j) * a.channels);
        sum[j] = near + far, difference[j - 1] = near - far;
      }
      for (int k = 0; k < 7; ++k) {
        Vec y = kCircle.cosine[k][0] * sum[0];
        for (int j = 1; j < 7; ++j) y += kCircle.cosine[k][j] * sum[j];
        store(out + (k == 6 ? 1 : 2 * k) * a.channels, y);
      }
      for (int k = 0; k < 5; ++k) {
        Vec y = kCircle.sine[k][0] * difference[0];
        for (int j = 1; j < 5; ++j) y += kCircle.sine[k][j] * difference[j];
        store(out + (2 * k + 3) * a.channels, y);
      }
    }
}

void from_frequencies(const CircleArgs& a) {
  for (int64_t row = 0; row < a.rows; ++row)
    for (int64_t c = 0; c < a.channels; c += kLanes) {
      const float* const x = a.x + row * 12 * a.channels + c;
      float* const out = a.out + row * 12 * a.channels + c;
      Vec cosine[7], sine[5];
      for (int k = 0; k < 7; ++k) cosine[k] = load(x + (k == 6 ? 1 : 2 * k) * a.channels);
      for (int k = 0; k < 5; ++k) sine[k] = load(x + (2 * k + 3) * a.channels);
      for (int j = 0; j < 7; ++j) {
        Vec even = kCircle.cosine[0][j] * cosine[0], odd{};
        for (int k = 1; k < 7; ++k) even += kCircle.cosine[k][j] * cosine[k];
        if (j == 0 || j == 6) {
          settle(a.then, out + j * a.channels, even, kLanes);
          continue;
        }
        for (int k = 0; k < 5; ++k) odd += kCircle.sine[k][j - 1] * sine[k];
        settle(a.then, out + j * a.channels, even + odd, kLanes);
        settle(a.then, out + (12 - j) * a.channels, even - odd, kLanes);
      }
    }
}

void gate(const float* x, float* out, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes) store(out + i, hyperbolic(load(x + i)) * sigmoid(load(x + count + i)));
}

void exponentials(float* x, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes)
    store_some(x + i, exponential(larger(smaller(load_some(x + i, count - i), all(88)), all(-87))), count - i);
}

void add_row(float* sum, const float* row, float factor, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes)
    store_some(sum + i, load_some(sum + i, count - i) + factor * load_some(row + i, count - i), count - i);
}

#ifndef FASTSAG_BF16_DOT
constexpr decltype(RowLoops::dense_half) dense_half = nullptr;
#endif
const RowLoops kLoops = {kColumns, dense,          dense_mixed,      dense_half, norm,         depthwise,
                         attend,   to_frequencies, from_frequencies, gate,       exponentials, add_row};
