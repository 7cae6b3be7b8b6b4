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

inline void finish(const DenseArgs& a, int64_t row, int64_t column, Vec y) {
  const int64_t count = a.outputs - column;
  if (count <= 0) return;
  float* const out = a.out + row * a.out_stride + column;
  if (a.then == Then::silu || a.then == Then::add_silu) y = y * sigmoid(y);
  if (a.then == Then::gelu) y = gelu(y);
  if (a.then == Then::add || a.then == Then::add_silu) y += load_some(out, count);
  store_some(out, y, count);
}

template <int kRows>
void dense_tile(const DenseArgs& a, int64_t row, int64_t block) {
  Vec sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = load(a.bias + block * kColumns + v * kLanes);
  const float* w = static_cast<const float*>(a.weights) + block * a.taps * a.inputs * kColumns;
  for (int64_t tap = 0; tap < a.taps; ++tap) {
    const float* const x = a.x + row * a.stride + tap * a.tap_stride;
    for (int64_t k = 0; k < a.inputs; ++k, w += kColumns) {
      Vec column[kVectors];
      for (int v = 0; v < kVectors; ++v) column[v] = load(w + v * kLanes);
      for (int r = 0; r < kRows; ++r) {
        const float factor = x[r * a.stride + k];
        for (int v = 0; v < kVectors; ++v) sum[r][v] += factor * column[v];
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) finish(a, row + r, block * kColumns + v * kLanes, sum[r][v]);
}

// All blocks of columns, by tiles of rows; the last tile has what is left.
template <class Tile>
void tiled(const DenseArgs& a, Tile tile) {
  const int64_t blocks = (a.outputs + kColumns - 1) / kColumns;
  for (int64_t block = 0; block < blocks; ++block) {
    int64_t row = 0;
    for (; row + kTile <= a.rows; row += kTile) tile(std::integral_constant<int, kTile>{}, row, block);
    switch (a.rows - row) {
      case 5: tile(std::integral_constant<int, 5>{}, row, block); break;
      case 4: tile(std::integral_constant<int, 4>{}, row, block); break;
      case 3: tile(std::integral_constant<int, 3>{}, row, block); break;
      case 2: tile(std::integral_constant<int, 2>{}, row, block); break;
      case 1: tile(std::integral_constant<int, 1>{}, row, block); break;
      default: break;
    }
  }
}

void dense(const DenseArgs& a) {
  tiled(a, [&a](auto rows, int64_t row, int64_t block) { dense_tile<decltype(rows)::value>(a, row, block); });
}

#ifdef FASTSAG_BF16_DOT
template <int kRows>
void dense_half_tile(const DenseArgs& a, const uint16_t* copy, int64_t pairs, int64_t row, int64_t block) {
  __m512 sum[kRows][kVectors];
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_loadu_ps(a.bias + block * kColumns + v * kLanes);
  const uint16_t* w = static_cast<const uint16_t*>(a.weights) + block * a.taps * pairs * 2 * kColumns;
  for (int64_t tap = 0; tap < a.taps; ++tap) {
    const uint16_t* const x = copy + (row + tap * (a.tap_stride / a.stride)) * pairs * 2;
    for (int64_t k = 0; k < pairs; ++k, w += 2 * kColumns) {
      __m512bh column[kVectors];
      for (int v = 0; v < kVectors; ++v)
        column[v] = reinterpret_cast<__m512bh>(_mm512_loadu_si512(w + 2 * v * kLanes));
      for (int r = 0; r < kRows; ++r) {
        int32_t pair;
        __builtin_memcpy(&pair, x + (r * pairs + k) * 2, sizeof pair);
        const auto factor = reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair));
        for (int v = 0; v < kVectors; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], factor, column[v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int v = 0; v < kVectors; ++v) finish(a, row + r, block * kColumns + v * kLanes, sum[r][v]);
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
  tiled(a, [&](auto rows, int64_t row, int64_t block) {
    dense_half_tile<decltype(rows)::value>(a, copy, pairs, row, block);
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
  const auto scores = [&a](int r) { return a.scores + r * a.k_stride; };
  for (int64_t j = 0; j < a.keys; j += kWide * kLanes) {
    Vec sum[kRows][kWide] = {};
    for (int64_t c = 0; c < a.part; ++c)
      for (int v = 0; v < kWide; ++v) {
        const Vec keys = load(a.k + c * a.k_stride + j + v * kLanes);
        for (int r = 0; r < kRows; ++r) sum[r][v] += a.q[(i + r) * a.q_stride + c] * keys;
      }
    for (int r = 0; r < kRows; ++r)
      for (int v = 0; v < kWide; ++v) store(scores(r) + j + v * kLanes, a.scale * sum[r][v]);
  }
  float sums[kRows];
  for (int r = 0; r < kRows; ++r) {
    float largest = -3e38f;
    for (int64_t j = 0; j < a.keys; ++j) {
      if (a.bias) scores(r)[j] += a.bias[(i + r) * a.keys + j];
      largest = scores(r)[j] > largest ? scores(r)[j] : largest;
    }
    for (int64_t j = a.keys; j < (a.keys + kLanes - 1) / kLanes * kLanes; ++j) scores(r)[j] = -3e38f;
    Vec sum{};
    for (int64_t j = 0; j < a.keys; j += kLanes) {
      const Vec score = load(scores(r) + j);
      const Vec e = score > -1e38f ? exponential(larger(score - largest, all(-87))) : Vec{};
      store(scores(r) + j, e);
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

#ifdef FASTSAG_BF16_DOT
const RowLoops kLoops = {kColumns, dense, dense_half, norm, depthwise, attend, gate, exponentials, add_row};
#else
const RowLoops kLoops = {kColumns, dense, nullptr, norm, depthwise, attend, gate, exponentials, add_row};
#endif
