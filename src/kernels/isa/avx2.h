/* AVX2 and FMA: the virtual vector is two registers. isa/scalar.h says what each function means.
 * Compiled once more with AVX-VNNI, which has the dot products of bytes. */
#ifndef ALPHA_ISA_AVX2_H
#define ALPHA_ISA_AVX2_H

#include <stdint.h>
#include <immintrin.h>

typedef struct {
    __m256 lo, hi;
} vf32;
/* Not __m256i, four integers of 64 bits: gcc then copies sums before and after a dot product. */
typedef int32_t eight_ints __attribute__((vector_size(32)));
typedef struct {
    eight_ints lo, hi;
} vi32;
typedef vf32 vmask; /* all ones or all zeros per lane */
typedef struct {
    __m256i lo, hi;
} vq8;
#ifdef __AVXVNNI__
typedef __m256i vq8_row;
#else
typedef struct {
    __m256i value, magnitude;
} vq8_row;
#endif

/* Vectors of accumulators that a register tile may hold. */
#define TILE_BUDGET 6
#ifdef __AVXVNNI__
#define TILE_BUDGET_INT8 6
#else
#define TILE_BUDGET_INT8 3
#endif

static inline vf32 vf32_of(__m256 lo, __m256 hi) { return (vf32){lo, hi}; }
static inline vi32 vi32_of(__m256i lo, __m256i hi) {
    return (vi32){(eight_ints)lo, (eight_ints)hi};
}
static inline __m256i vi32_low(vi32 v) { return (__m256i)v.lo; }
static inline __m256i vi32_high(vi32 v) { return (__m256i)v.hi; }

static inline vmask vmask_first(int32_t n) {
    __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i low = _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
    __m256i high = _mm256_cmpgt_epi32(_mm256_set1_epi32(n - 8), lane);
    return vf32_of(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
}
static inline uint32_t vmask_bits(vmask mask) {
    return (uint32_t)_mm256_movemask_ps(mask.lo) | (uint32_t)_mm256_movemask_ps(mask.hi) << 8;
}

static inline vf32 vf32_zero(void) { return vf32_of(_mm256_setzero_ps(), _mm256_setzero_ps()); }
static inline vf32 vf32_set1(float x) { return vf32_of(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
static inline vf32 vf32_load(const float *p) {
    return vf32_of(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8));
}
static inline __m256 load_8_bf16(const uint16_t *p) {
    const __m256i words = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16));
}
static inline vf32 vf32_load_bf16(const uint16_t *p) {
    return vf32_of(load_8_bf16(p), load_8_bf16(p + 8));
}
static inline void vf32_store(float *p, vf32 v) {
    _mm256_storeu_ps(p, v.lo);
    _mm256_storeu_ps(p + 8, v.hi);
}
static inline vf32 vf32_load_n(const float *p, int32_t n) {
    vmask mask = vmask_first(n);
    return vf32_of(_mm256_maskload_ps(p, _mm256_castps_si256(mask.lo)),
                   _mm256_maskload_ps(p + 8, _mm256_castps_si256(mask.hi)));
}
static inline void vf32_store_n(float *p, vf32 v, int32_t n) {
    vmask mask = vmask_first(n);
    _mm256_maskstore_ps(p, _mm256_castps_si256(mask.lo), v.lo);
    _mm256_maskstore_ps(p + 8, _mm256_castps_si256(mask.hi), v.hi);
}
static inline vf32 vf32_add(vf32 a, vf32 b) {
    return vf32_of(_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi));
}
static inline vf32 vf32_sub(vf32 a, vf32 b) {
    return vf32_of(_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi));
}
static inline vf32 vf32_mul(vf32 a, vf32 b) {
    return vf32_of(_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi));
}
static inline vf32 vf32_div(vf32 a, vf32 b) {
    return vf32_of(_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi));
}
static inline vf32 vf32_fma(vf32 a, vf32 b, vf32 c) {
    return vf32_of(_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi));
}
static inline vf32 vf32_max(vf32 a, vf32 b) {
    return vf32_of(_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi));
}
static inline vf32 vf32_min(vf32 a, vf32 b) {
    return vf32_of(_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi));
}
static inline vf32 vf32_abs(vf32 a) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return vf32_of(_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi));
}
static inline vmask vf32_gt(vf32 a, vf32 b) {
    return vf32_of(_mm256_cmp_ps(a.lo, b.lo, _CMP_GT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_GT_OQ));
}
static inline vmask vf32_ge(vf32 a, vf32 b) {
    return vf32_of(_mm256_cmp_ps(a.lo, b.lo, _CMP_GE_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_GE_OQ));
}
static inline vf32 vf32_select(vmask mask, vf32 yes, vf32 no) {
    return vf32_of(_mm256_blendv_ps(no.lo, yes.lo, mask.lo),
                   _mm256_blendv_ps(no.hi, yes.hi, mask.hi));
}
/* Unpacking works within halves of a register. */
static inline vf32 zip_8(__m256 a, __m256 b) {
    const __m256 low = _mm256_unpacklo_ps(a, b), high = _mm256_unpackhi_ps(a, b);
    return vf32_of(_mm256_permute2f128_ps(low, high, 0x20),
                   _mm256_permute2f128_ps(low, high, 0x31));
}
static inline vf32 vf32_zip_low(vf32 a, vf32 b) { return zip_8(a.lo, b.lo); }
static inline vf32 vf32_zip_high(vf32 a, vf32 b) { return zip_8(a.hi, b.hi); }
static inline void vf32_store_packed(float *p, vmask mask, vf32 v) {
    float lanes[16];
    uint32_t bits = vmask_bits(mask);
    vf32_store(lanes, v);
    if (bits == 0xffff) {
        vf32_store(p, v);
        return;
    }
    for (; bits != 0; bits &= bits - 1)
        *p++ = lanes[__builtin_ctz(bits)];
}
static inline float vf32_sum(vf32 v) {
    __m256 eight = _mm256_add_ps(v.lo, v.hi);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline float vf32_max_of(vf32 v) {
    __m256 eight = _mm256_max_ps(v.lo, v.hi);
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline vi32 vf32_as_bits(vf32 v) {
    return vi32_of(_mm256_castps_si256(v.lo), _mm256_castps_si256(v.hi));
}
static inline vf32 vf32_from_bits(vi32 v) {
    return vf32_of(_mm256_castsi256_ps(vi32_low(v)), _mm256_castsi256_ps(vi32_high(v)));
}
static inline vi32 vi32_set1(int32_t x) {
    return vi32_of(_mm256_set1_epi32(x), _mm256_set1_epi32(x));
}
static inline vi32 vi32_load(const void *p) {
    const __m256i *words = (const __m256i *)p;
    return vi32_of(_mm256_loadu_si256(words), _mm256_loadu_si256(words + 1));
}
static inline void vi32_store_packed(int32_t *p, vmask mask, vi32 v) {
    int32_t lanes[16];
    _mm256_storeu_si256((__m256i *)lanes, vi32_low(v));
    _mm256_storeu_si256((__m256i *)(lanes + 8), vi32_high(v));
    for (uint32_t bits = vmask_bits(mask); bits != 0; bits &= bits - 1)
        *p++ = lanes[__builtin_ctz(bits)];
}
static inline void vi32_store_low(uint16_t *p, vi32 v) {
    const __m256i low = _mm256_set1_epi32(0xffff);
    const __m256i packed = _mm256_packus_epi32(_mm256_and_si256(vi32_low(v), low),
                                               _mm256_and_si256(vi32_high(v), low));
    _mm256_storeu_si256((__m256i *)p, _mm256_permute4x64_epi64(packed, 0xd8));
}
static inline vi32 vi32_add(vi32 a, vi32 b) {
    return vi32_of(_mm256_add_epi32(vi32_low(a), vi32_low(b)),
                   _mm256_add_epi32(vi32_high(a), vi32_high(b)));
}
static inline vi32 vi32_sub(vi32 a, vi32 b) {
    return vi32_of(_mm256_sub_epi32(vi32_low(a), vi32_low(b)),
                   _mm256_sub_epi32(vi32_high(a), vi32_high(b)));
}
static inline vi32 vi32_and(vi32 a, vi32 b) {
    return vi32_of(_mm256_and_si256(vi32_low(a), vi32_low(b)),
                   _mm256_and_si256(vi32_high(a), vi32_high(b)));
}
static inline vi32 vi32_max(vi32 a, vi32 b) {
    return vi32_of(_mm256_max_epi32(vi32_low(a), vi32_low(b)),
                   _mm256_max_epi32(vi32_high(a), vi32_high(b)));
}
static inline vi32 vi32_half(vi32 a) {
    return vi32_of(_mm256_srai_epi32(vi32_low(a), 1), _mm256_srai_epi32(vi32_high(a), 1));
}
static inline vi32 vi32_shl16(vi32 a) {
    return vi32_of(_mm256_slli_epi32(vi32_low(a), 16), _mm256_slli_epi32(vi32_high(a), 16));
}
static inline vi32 vi32_shr16(vi32 a) {
    return vi32_of(_mm256_srli_epi32(vi32_low(a), 16), _mm256_srli_epi32(vi32_high(a), 16));
}
static inline vi32 vi32_shl23(vi32 a) {
    return vi32_of(_mm256_slli_epi32(vi32_low(a), 23), _mm256_slli_epi32(vi32_high(a), 23));
}
static inline vf32 vi32_to_float(vi32 v) {
    return vf32_of(_mm256_cvtepi32_ps(vi32_low(v)), _mm256_cvtepi32_ps(vi32_high(v)));
}

static inline __m256i sixteen_rounded(vf32 x) {
    return _mm256_packs_epi32(_mm256_cvtps_epi32(x.lo), _mm256_cvtps_epi32(x.hi));
}
static inline void vq8_store(int8_t *to, const vf32 *x) {
    /* Packing works within halves of a register. */
    const __m256i in_order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (int32_t v = 0; v < 4; v += 2) {
        __m256i bytes = _mm256_packs_epi16(sixteen_rounded(x[v]), sixteen_rounded(x[v + 1]));
        _mm256_storeu_si256((__m256i *)(to + 16 * v), _mm256_permutevar8x32_epi32(bytes, in_order));
    }
}
static inline vq8 vq8_weights(const int8_t *p) {
    const __m256i *bytes = (const __m256i *)p;
    return (vq8){_mm256_loadu_si256(bytes), _mm256_loadu_si256(bytes + 1)};
}
static inline vq8 vq8_kept(vq8 w) { return w; }

#ifdef __AVXVNNI__
/* dpbusd multiplies unsigned with signed bytes: inputs have 128 added, and a sum starts at -128
 * times that of the weights. */
#define HAS_UNSIGNED_INPUTS
static inline void vq8_inputs(int8_t *bytes) {
    for (int32_t i = 0; i < 64; i += 32) {
        __m256i *at = (__m256i *)(bytes + i);
        _mm256_storeu_si256(at, _mm256_xor_si256(_mm256_loadu_si256(at), _mm256_set1_epi8(-128)));
    }
}
static inline __m256i eight_starts(const int16_t *sums) {
    const __m256i wide = _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)sums));
    return _mm256_mullo_epi32(wide, _mm256_set1_epi32(-128));
}
static inline vi32 vq8_start(const int16_t *sums) {
    return vi32_of(eight_starts(sums), eight_starts(sums + 8));
}
static inline vq8_row vq8_broadcast(int32_t four_bytes) { return _mm256_set1_epi32(four_bytes); }
static inline vi32 vq8_dot(vi32 acc, vq8 w, vq8_row x) {
    return vi32_of(_mm256_dpbusd_avx_epi32(vi32_low(acc), x, w.lo),
                   _mm256_dpbusd_avx_epi32(vi32_high(acc), x, w.hi));
}

#else
static inline vq8_row vq8_broadcast(int32_t four_bytes) {
    __m256i value = _mm256_set1_epi32(four_bytes);
    return (vq8_row){value, _mm256_abs_epi8(value)};
}
/* maddubs multiplies unsigned with signed bytes and adds pairs in 16 bits: |x| times w with x's
 * sign put on w. Magnitudes are at most 127, so a pair is at most 2 · 127² < 2^15 and never
 * saturates. */
static inline __m256i vq8_dot_half(__m256i acc, __m256i w, vq8_row x) {
    __m256i pairs = _mm256_maddubs_epi16(x.magnitude, _mm256_sign_epi8(w, x.value));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
static inline vi32 vq8_dot(vi32 acc, vq8 w, vq8_row x) {
    return vi32_of(vq8_dot_half(vi32_low(acc), w.lo, x), vq8_dot_half(vi32_high(acc), w.hi, x));
}
#endif

#endif
