/* AVX-512 F, BW, VL, DQ and VNNI: the virtual vector is one register. isa/scalar.h says what each
 * function means. */
#ifndef ALPHA_ISA_AVX512_H
#define ALPHA_ISA_AVX512_H

#include <stdint.h>
#include <immintrin.h>

typedef __m512 vf32;
/* Not __m512i, eight integers of 64 bits: gcc copies each sum before and after a dot product then.
 */
typedef int32_t vi32 __attribute__((vector_size(64)));
typedef __mmask16 vmask;
typedef __m512i vq8;
typedef __m512i vq8_row;

/* Vectors of accumulators that a register tile may hold. */
#define TILE_BUDGET 24
#define TILE_BUDGET_INT8 24

static inline vmask vmask_first(int32_t n) { return (vmask)((1u << n) - 1u); }
static inline uint32_t vmask_bits(vmask mask) { return mask; }

static inline vf32 vf32_zero(void) { return _mm512_setzero_ps(); }
static inline vf32 vf32_set1(float x) { return _mm512_set1_ps(x); }
static inline vf32 vf32_load(const float *p) { return _mm512_loadu_ps(p); }
static inline vf32 vf32_load_bf16(const uint16_t *p) {
    const __m512i words = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
}
static inline void vf32_store(float *p, vf32 v) { _mm512_storeu_ps(p, v); }
static inline vf32 vf32_load_n(const float *p, int32_t n) {
    return _mm512_maskz_loadu_ps(vmask_first(n), p);
}
static inline void vf32_store_n(float *p, vf32 v, int32_t n) {
    _mm512_mask_storeu_ps(p, vmask_first(n), v);
}
static inline vf32 vf32_add(vf32 a, vf32 b) { return _mm512_add_ps(a, b); }
static inline vf32 vf32_sub(vf32 a, vf32 b) { return _mm512_sub_ps(a, b); }
static inline vf32 vf32_mul(vf32 a, vf32 b) { return _mm512_mul_ps(a, b); }
static inline vf32 vf32_div(vf32 a, vf32 b) { return _mm512_div_ps(a, b); }
static inline vf32 vf32_fma(vf32 a, vf32 b, vf32 c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf32 vf32_max(vf32 a, vf32 b) { return _mm512_max_ps(a, b); }
static inline vf32 vf32_min(vf32 a, vf32 b) { return _mm512_min_ps(a, b); }
static inline vf32 vf32_abs(vf32 a) { return _mm512_abs_ps(a); }
static inline vmask vf32_gt(vf32 a, vf32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
static inline vmask vf32_ge(vf32 a, vf32 b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
static inline vf32 vf32_select(vmask mask, vf32 yes, vf32 no) {
    return _mm512_mask_blend_ps(mask, no, yes);
}
static inline vf32 vf32_zip_low(vf32 a, vf32 b) {
    const __m512i lanes = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return _mm512_permutex2var_ps(a, lanes, b);
}
static inline vf32 vf32_zip_high(vf32 a, vf32 b) {
    const __m512i lanes =
        _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return _mm512_permutex2var_ps(a, lanes, b);
}
/* Packed in the register: packing into memory is slow on some processors. */
static inline void vf32_store_packed(float *p, vmask mask, vf32 v) {
    _mm512_storeu_ps(p, _mm512_maskz_compress_ps(mask, v));
}
static inline float vf32_sum(vf32 v) {
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
static inline float vf32_max_of(vf32 v) {
    __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline vi32 vf32_as_bits(vf32 v) { return (vi32)_mm512_castps_si512(v); }
static inline vf32 vf32_from_bits(vi32 v) { return _mm512_castsi512_ps((__m512i)v); }
static inline vi32 vi32_set1(int32_t x) { return (vi32)_mm512_set1_epi32(x); }
static inline vi32 vi32_load(const void *p) { return (vi32)_mm512_loadu_si512(p); }
static inline void vi32_store_packed(int32_t *p, vmask mask, vi32 v) {
    _mm512_storeu_si512(p, _mm512_maskz_compress_epi32(mask, (__m512i)v));
}
static inline void vi32_store_low(uint16_t *p, vi32 v) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16((__m512i)v));
}
static inline vi32 vi32_add(vi32 a, vi32 b) {
    return (vi32)_mm512_add_epi32((__m512i)a, (__m512i)b);
}
static inline vi32 vi32_sub(vi32 a, vi32 b) {
    return (vi32)_mm512_sub_epi32((__m512i)a, (__m512i)b);
}
static inline vi32 vi32_and(vi32 a, vi32 b) {
    return (vi32)_mm512_and_si512((__m512i)a, (__m512i)b);
}
static inline vi32 vi32_max(vi32 a, vi32 b) {
    return (vi32)_mm512_max_epi32((__m512i)a, (__m512i)b);
}
static inline vi32 vi32_half(vi32 a) { return (vi32)_mm512_srai_epi32((__m512i)a, 1); }
static inline vi32 vi32_shl16(vi32 a) { return (vi32)_mm512_slli_epi32((__m512i)a, 16); }
static inline vi32 vi32_shr16(vi32 a) { return (vi32)_mm512_srli_epi32((__m512i)a, 16); }
static inline vi32 vi32_shl23(vi32 a) { return (vi32)_mm512_slli_epi32((__m512i)a, 23); }
static inline vf32 vi32_to_float(vi32 v) { return _mm512_cvtepi32_ps((__m512i)v); }

/* ops/elementary.h says what it is. */
#define HAS_SCALE
static inline vf32 vf32_scale(vf32 p, vi32 exponent) {
    return _mm512_scalef_ps(p, vi32_to_float(exponent));
}

static inline __m512i rounded_pair(vf32 low, vf32 high) {
    return _mm512_packs_epi32(_mm512_cvtps_epi32(low), _mm512_cvtps_epi32(high));
}
static inline void vq8_store(int8_t *to, const vf32 *x) {
    /* Packing works within quarters of a register. */
    const __m512i in_order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i bytes = _mm512_packs_epi16(rounded_pair(x[0], x[1]), rounded_pair(x[2], x[3]));
    _mm512_storeu_si512(to, _mm512_permutexvar_epi32(in_order, bytes));
}
/* dpbusd multiplies unsigned with signed bytes: inputs have 128 added, and a sum starts at -128
 * times that of the weights. */
#define HAS_UNSIGNED_INPUTS
static inline void vq8_inputs(int8_t *bytes) {
    _mm512_storeu_si512(bytes, _mm512_xor_si512(_mm512_loadu_si512(bytes), _mm512_set1_epi8(-128)));
}
static inline vi32 vq8_start(const int16_t *sums) {
    const __m512i wide = _mm512_cvtepi16_epi32(_mm256_loadu_si256((const __m256i *)sums));
    return (vi32)_mm512_mullo_epi32(wide, _mm512_set1_epi32(-128));
}
static inline vq8 vq8_weights(const int8_t *p) { return _mm512_loadu_si512(p); }
/* gcc would load them for each row of two or three. */
static inline vq8 vq8_kept(vq8 w) {
    __asm__("" : "+v"(w));
    return w;
}
static inline vq8_row vq8_broadcast(int32_t four_bytes) { return _mm512_set1_epi32(four_bytes); }
static inline vi32 vq8_dot(vi32 acc, vq8 w, vq8_row x) {
    return (vi32)_mm512_dpbusd_epi32((__m512i)acc, x, w);
}

#endif
