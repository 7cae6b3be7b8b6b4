// Vectors of kLanes floats, and what every loop over them needs. Included by kernels.inl and rows.inl, once for each kind of
// processor, with kLanes and the compiler's target set.

using Vec = float __attribute__((vector_size(4 * kLanes)));
using Int = int32_t __attribute__((vector_size(4 * kLanes)));
using Word = uint32_t __attribute__((vector_size(4 * kLanes)));
using Half = uint16_t __attribute__((vector_size(2 * kLanes)));

inline Vec all(float value) { return value - Vec{}; }

inline Vec load(const float* from) {
  Vec v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
inline Vec load(const uint16_t* from) {
  Half h;
  __builtin_memcpy(&h, from, sizeof h);
  return reinterpret_cast<Vec>(__builtin_convertvector(h, Word) << 16);
}
inline void store(float* to, Vec v) { __builtin_memcpy(to, &v, sizeof v); }
inline void store(uint16_t* to, Vec v) {
#ifdef FASTSAG_BF16_DOT
  const __m256bh h = _mm512_cvtneps_pbh(v);
#else
  const Word bits = reinterpret_cast<Word>(v);
  const Half h = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, Half);  // to nearest even
#endif
  __builtin_memcpy(to, &h, sizeof h);
}

inline float widened(float x) { return x; }
inline float widened(uint16_t x) { return __builtin_bit_cast(float, uint32_t{x} << 16); }

inline Vec larger(Vec a, Vec b) { return a > b ? a : b; }
inline Vec smaller(Vec a, Vec b) { return a < b ? a : b; }

constexpr float kRound = 12582912;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits

inline Vec quotient(Vec a, Vec b) {
#ifdef FASTSAG_AVX512
  const Vec r = _mm512_maskz_rcp14_ps(0xffff, b);
  return a * (r * (2.f - b * r));  // Newton's step makes 14 bits 28
#else
  return a / b;
#endif
}

// e^x to 2 steps of float for x in [-87, 88].
inline Vec exponential(Vec x) {
  const Vec shifted = x * 1.44269504f + kRound;
  const Vec n = shifted - kRound;
  const Vec r = x - n * .693359375f - n * -2.12194440e-4f;
  Vec p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + .5f;
  p = p * r * r + r + 1.f;
  const Int exponent = (reinterpret_cast<Int>(shifted) - reinterpret_cast<Int>(all(kRound)) + 127) << 23;
  return p * reinterpret_cast<Vec>(exponent);
}
