// The loops of kernels.h in vectors of kLanes floats. kernels.cpp includes this once for each kind of processor, in a
// namespace of its own, with kLanes and the compiler's target set.

#include "model/nn/vectors.inl"

// x tanh(ln(1 + e^x)) = x n / (n + 2), n = e^x (e^x + 2).
inline Vec mish(Vec x) {
  const Vec e = exponential(larger(smaller(x, all(20)), all(-60)));
  const Vec n = e * (e + 2.f);
  return x * quotient(n, n + 2.f);
}

// sin^2(pi y): even and of period 1, so a polynomial in the square of y's distance to an integer. 2e-7 of 1.
inline Vec sine_squared(Vec y) {
  const Vec r = y - ((y + kRound) - kRound);
  const Vec z = r * r;
  Vec p = all(-3.272946357727051f);
  p = p * z + 12.990730285644531f;
  p = p * z + -30.085952758789062f;
  p = p * z + 42.72538375854492f;
  p = p * z + -32.469581604003906f;
  p = p * z + 9.869603157043457f;
  return p * z;
}

template <class T>
void moments(const MomentsArgs<T>& a) {
  constexpr int64_t kRows = 64;  // float holds a sum of so few well
  for (int64_t row = 0; row < a.rows; row += kRows) {
    const int64_t rows = std::min(kRows, a.rows - row);
    for (int64_t c = 0; c < a.channels; c += kLanes) {
      const T* x = a.x + row * a.channels + c;
      Vec sum{}, square{};
      for (int64_t i = 0; i < rows; ++i, x += a.channels) {
        const Vec v = load(x);
        sum += v;
        square += v * v;
      }
      for (int k = 0; k < kLanes; ++k) {
        a.sum[c + k] += static_cast<double>(sum[k]);
        a.square[c + k] += static_cast<double>(square[k]);
      }
    }
  }
}

template <class T>
void mish(const MishArgs<T>& a) {
  int64_t column = a.first_row % a.width;
  for (int64_t row = 0; row < a.rows; ++row) {
    const int64_t at = row * a.channels;
    const float mask = a.mask[column];
    for (int64_t c = 0; c < a.channels; c += kLanes) {
      Vec v{};
      if (mask != 0) {
        v = mish(load(a.x + at + c) * load(a.scale + c) + load(a.shift + c));
        if (a.extra) v += load(a.extra + c);
        v *= mask;
      }
      if (a.residual) v += load(a.residual + at + c);
      store(a.out + at + c, v);
    }
    column = column + 1 == a.width ? 0 : column + 1;
  }
}

// A factor of a product, and how it goes into a sum: floats, or pairs of bfloat16 where the processor multiplies those.
using Pair = uint32_t;  // element k in the low half, k + 1 in the high one
inline Vec fused(Vec sum, Vec row, float factor) { return sum + factor * row; }
inline Vec load_row(const float* from) { return load(from); }
#ifdef FASTSAG_BF16_DOT
inline Word load_row(const Pair* from) {
  Word w;
  __builtin_memcpy(&w, from, sizeof w);
  return w;
}
inline Vec fused(Vec sum, Word row, Pair factor) {
  return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(row), reinterpret_cast<__m512bh>(factor - Word{}));
}
#endif

// C[M][N kLanes] = or += A B. A is read at (m, k) = a[m * am + k * ak], so it may lie either way.
template <int M, int N, class F>
[[gnu::noinline]] void tile(int64_t depth, const F* a, int64_t am, int64_t ak, const F* b, int64_t ldb, float* c,
                            int64_t ldc, bool add) {
  Vec sum[M][N];
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n) sum[m][n] = add ? load(c + m * ldc + n * kLanes) : Vec{};
  for (int64_t k = 0; k < depth; ++k) {
    decltype(load_row(b)) row[N];
    for (int n = 0; n < N; ++n) row[n] = load_row(b + k * ldb + n * kLanes);
    for (int m = 0; m < M; ++m) {
      const F factor = a[m * am + k * ak];
      for (int n = 0; n < N; ++n) sum[m][n] = fused(sum[m][n], row[n], factor);
    }
  }
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n) store(c + m * ldc + n * kLanes, sum[m][n]);
}

constexpr int kTile = kLanes == 16 ? 8 : 4;  // times two vectors: what the registers hold

template <int N, class F>
void product_columns(int rows, int64_t depth, const F* a, int64_t am, int64_t ak, const F* b, int64_t ldb, float* c,
                     int64_t ldc, bool add) {
  int m = 0;
  for (; m + kTile <= rows; m += kTile) tile<kTile, N>(depth, a + m * am, am, ak, b, ldb, c + m * ldc, ldc, add);
  for (; m < rows; ++m) tile<1, N>(depth, a + m * am, am, ak, b, ldb, c + m * ldc, ldc, add);
}

template <class F>
void product(int rows, int64_t columns, int64_t depth, const F* a, int64_t am, int64_t ak, const F* b, float* c,
             bool add) {
  int64_t n = 0;
  for (; n + 2 * kLanes <= columns; n += 2 * kLanes)
    product_columns<2>(rows, depth, a, am, ak, b + n, columns, c + n, columns, add);
  for (; n < columns; n += kLanes)
    product_columns<1>(rows, depth, a, am, ak, b + n, columns, c + n, columns, add);
}

constexpr int kChunk = 128;  // rows whose keys stay in the second cache

// The factors of the attention's three products, as this type of image has them.
template <class T>
struct Factors {
  using Type = float;
  explicit Factors(int64_t channels) : scratch_(static_cast<size_t>(kChunk * channels)) {}
  static constexpr int64_t kDeep = 1;  // elements of the sum that one factor holds
  // A weight [depth][columns].
  const float* weight(const float* from, int64_t, int64_t) { return from; }
  // Rows of the image as the left factor, and as the right one.
  const float* left(const T* x, int64_t count) {
    if constexpr (std::is_same_v<T, float>) return x;
    for (int64_t i = 0; i < count; i += kLanes) store(scratch_.data() + i, load(x + i));
    return scratch_.data();
  }
  const float* right(const T* x, int rows, int64_t channels) { return left(x, rows * channels); }
  // Rows of keys as the left factor.
  const float* keys(float* from, int) { return from; }

 private:
  std::vector<float> scratch_;
};

#ifdef FASTSAG_BF16_DOT
inline Word rounded(Vec v) {  // bfloat16 in the high half
  const Word bits = reinterpret_cast<Word>(v);
  return (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000;
}
inline void store_pairs(Pair* to, Word even, Word odd) {  // both in the high half
  const Word pairs = (even >> 16) | odd;
  __builtin_memcpy(to, &pairs, sizeof pairs);
}

template <>
struct Factors<uint16_t> {
  using Type = Pair;
  explicit Factors(int64_t channels) : rows_(static_cast<size_t>(kChunk / 2 * channels)), keys_(kChunk / 2 * 128) {}
  static constexpr int64_t kDeep = 2;
  const Pair* weight(const float* from, int64_t depth, int64_t columns) {
    weight_.resize(static_cast<size_t>(depth / 2 * columns));
    for (int64_t k = 0; k < depth; k += 2, from += 2 * columns)
      for (int64_t n = 0; n < columns; n += kLanes)
        store_pairs(weight_.data() + k / 2 * columns + n, rounded(load(from + n)), rounded(load(from + columns + n)));
    return weight_.data();
  }
  const Pair* left(const uint16_t* x, int64_t) { return reinterpret_cast<const Pair*>(x); }
  const Pair* right(const uint16_t* x, int rows, int64_t channels) {
    for (int r = 0; r < rows; r += 2, x += 2 * channels)
      for (int64_t c = 0; c < channels; c += kLanes)
        store_pairs(rows_.data() + r / 2 * channels + c, reinterpret_cast<Word>(load(x + c)),
                    r + 1 < rows ? reinterpret_cast<Word>(load(x + channels + c)) : Word{});
    return rows_.data();
  }
  const Pair* keys(float* from, int rows) {
    for (int r = 0; r < rows; r += 2, from += 2 * kAttentionKeys)
      for (int64_t d = 0; d < kAttentionKeys; d += kLanes)
        store_pairs(keys_.data() + r / 2 * kAttentionKeys + d, rounded(load(from + d)),
                    r + 1 < rows ? rounded(load(from + kAttentionKeys + d)) : Word{});
    return keys_.data();
  }

 private:
  std::vector<Pair> weight_, rows_, keys_;
};
#endif

template <class T>
void gather(const GatherArgs<T>& a) {
  constexpr int64_t kKeys = kAttentionKeys;
  constexpr int kVecs = kKeys / kLanes;
  Factors<T> factors(a.channels);
  const int64_t deep = factors.kDeep;
  const auto* const weight = factors.weight(a.wk, a.channels, kKeys);
  std::vector<float> scratch(kChunk * kKeys);
  float* const keys = scratch.data();
  for (int64_t row = 0; row < a.rows; row += kChunk) {
    const int rows = static_cast<int>(std::min<int64_t>(kChunk, a.rows - row));
    const T* const x = a.x + row * a.channels;
    product(rows, kKeys, a.channels / deep, factors.left(x, rows * a.channels), a.channels / deep, 1, weight, keys,
            false);
    Vec top[kVecs], sum[kVecs];
    for (int v = 0; v < kVecs; ++v) top[v] = load(a.largest + v * kLanes);
    for (int i = 0; i < rows; ++i)
      for (int v = 0; v < kVecs; ++v) top[v] = larger(top[v], load(keys + i * kKeys + v * kLanes));
    for (int v = 0; v < kVecs; ++v) {  // what was summed before is as much smaller as the largest grew
      const Vec shrink = exponential(larger(load(a.largest + v * kLanes) - top[v], all(-87)));
      sum[v] = load(a.sum + v * kLanes) * shrink;
      for (int k = 0; k < kLanes; ++k) {
        if (shrink[k] == 1) continue;
        float* const seen = a.seen + (v * kLanes + k) * a.channels;
        for (int64_t c = 0; c < a.channels; c += kLanes) store(seen + c, load(seen + c) * shrink[k]);
      }
      store(a.largest + v * kLanes, top[v]);
    }
    for (int i = 0; i < rows; ++i) {
      for (int v = 0; v < kVecs; ++v) {
        float* const key = keys + i * kKeys + v * kLanes;
        const Vec e = exponential(larger(load(key) - top[v], all(-87)));
        sum[v] += e;
        store(key, e);
      }
    }
    for (int v = 0; v < kVecs; ++v) store(a.sum + v * kLanes, sum[v]);
    product(static_cast<int>(kKeys), a.channels, (rows + deep - 1) / deep, factors.keys(keys, rows), 1, kKeys,
            factors.right(x, rows, a.channels), a.seen, true);
  }
}

template <class T>
void matrix(const MatrixArgs<T>& a) {
  Factors<T> factors(a.channels);
  const int64_t deep = factors.kDeep;
  const auto* const weight = factors.weight(a.matrix, a.channels, a.channels);
  std::vector<float> made(static_cast<size_t>(kChunk * a.channels));
  for (int64_t row = 0; row < a.rows; row += kChunk) {
    const int rows = static_cast<int>(std::min<int64_t>(kChunk, a.rows - row));
    const T* const x = a.x + row * a.channels;
    product(rows, a.channels, a.channels / deep, factors.left(x, rows * a.channels), a.channels / deep, 1, weight,
            made.data(), false);
    T* const out = a.out + row * a.channels;
    for (int64_t i = 0; i < rows * a.channels; i += a.channels)
      for (int64_t c = 0; c < a.channels; c += kLanes)
        store(out + i + c, load(x + i + c) + load(made.data() + i + c) + load(a.bias + c));
  }
}

// Rows are treated as one flat run of numbers, a neighbour in time lying `channels` further: any number of channels
// fills the vectors. alpha and gain then repeat, so they are laid out once more beyond their end.
template <class T>
void snake(const SnakeArgs<T>& a) {
  constexpr int64_t kNumbers = 1 << 15;  // three such runs stay in the second cache
  const int64_t channels = a.channels;
  const int64_t chunk = std::max<int64_t>(16, kNumbers / channels);
  const int64_t slack = kLanes;  // the last vector may write beyond
  const int64_t most = (chunk + 6) * channels + slack;
  std::vector<float> scratch(static_cast<size_t>((chunk + 12) * channels + slack + 2 * most + 2 * (channels + kLanes)));
  float* const padded = scratch.data();
  float* const even = padded + (chunk + 12) * channels + slack;
  float* const odd = even + most;
  float* const alpha = odd + most;
  float* const gain = alpha + channels + kLanes;
  for (int64_t i = 0; i < channels + kLanes; ++i) {
    alpha[i] = a.alpha[i % channels];
    gain[i] = a.gain[i % channels];
  }
  for (int64_t first = a.first; first < a.last; first += chunk) {
    const int64_t rows = std::min(chunk, a.last - first);
    for (int64_t r = 0; r < rows + 12; ++r) {  // six rows more on either side, the ends repeated
      const T* const from = a.x + std::clamp<int64_t>(first - 6 + r, 0, a.rows - 1) * channels;
      float* const to = padded + r * channels;
      int64_t c = 0;
      for (; c + kLanes <= channels; c += kLanes) store(to + c, load(from + c));
      for (; c < channels; ++c) to[c] = widened(from[c]);
    }
    const float* const x = padded + 3 * channels;  // row first - 3
    const int64_t numbers = (rows + 6) * channels;
    int64_t phase = 0;
    for (int64_t i = 0; i < numbers; i += kLanes) {
      Vec e{}, o{};
      for (int q = 0; q < 6; ++q) {
        e += load(x + i + (2 - q) * channels) * a.up[2 * q + 1];
        o += load(x + i + (3 - q) * channels) * a.up[2 * q];
      }
      e *= 2.f;
      o *= 2.f;
      const Vec w = load(alpha + phase), g = load(gain + phase);
      store(even + i, e + sine_squared(e * w) * g);
      store(odd + i, o + sine_squared(o * w) * g);
      phase = (phase + kLanes) % channels;
    }
    for (int64_t r = -3; first + r < 0; ++r) {  // before the first: the first, which is even
      __builtin_memcpy(even + (r + 3) * channels, even + (3 - first) * channels, sizeof(float) * channels);
      __builtin_memcpy(odd + (r + 3) * channels, even + (3 - first) * channels, sizeof(float) * channels);
    }
    for (int64_t r = a.rows; r < first + rows + 3; ++r) {  // after the last: the last, which is odd
      const float* const last = odd + (a.rows - 1 - first + 3) * channels;
      __builtin_memcpy(even + (r - first + 3) * channels, last, sizeof(float) * channels);
      __builtin_memcpy(odd + (r - first + 3) * channels, last, sizeof(float) * channels);
    }
    T* const out = a.out + first * channels;
    const int64_t made = rows * channels;
    const auto filtered = [&](int64_t i) {
      Vec y{};
      for (int q = 0; q < 6; ++q) {
        y += load(even + i + (q + 1) * channels) * a.down[2 * q + 1];
        y += load(odd + i + q * channels) * a.down[2 * q];
      }
      return y;
    };
    int64_t i = 0;
    for (; i + kLanes <= made; i += kLanes) store(out + i, filtered(i));
    if (i < made) {
      T rest[kLanes];
      store(rest, filtered(i));
      __builtin_memcpy(out + i, rest, sizeof(T) * static_cast<size_t>(made - i));
    }
  }
}

template <class T>
const Kernels<T> kTable = {&moments<T>, &mish<T>, &gather<T>, &matrix<T>, &snake<T>};
