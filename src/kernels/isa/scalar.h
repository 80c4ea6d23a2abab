/*
 * The macro layer, in plain C: what every other header of this folder must compute, bit for bit.
 *
 * vf32 is a virtual vector of 16 floats, vi32 of 16 integers, vmask of 16 truth values, vq8 of
 * 16 columns × 4 signed bytes. Ops are written only against these names, so a result cannot depend
 * on how wide the registers really are.
 */
#ifndef ALPHA_ISA_SCALAR_H
#define ALPHA_ISA_SCALAR_H

#include <stdint.h>
#include <math.h>
#include <string.h>

typedef struct {
    float lane[16];
} vf32;
typedef struct {
    int32_t lane[16];
} vi32;
typedef uint32_t vmask;
typedef struct {
    int8_t byte[64];
} vq8;
typedef struct {
    int8_t byte[4];
} vq8_row;

/* Vectors of accumulators that a register tile may hold. */
#define TILE_BUDGET 6
#define TILE_BUDGET_INT8 3

/* Loops over registers stay loops: there are no registers to assign. */
#define UNROLL
#define UNROLL_STREAM

#define EACH_LANE for (int32_t i = 0; i < 16; i++)

/* Lanes 0 … n-1. */
static inline vmask vmask_first(int32_t n) { return (1u << n) - 1u; }
/* Bit i = lane i. */
static inline uint32_t vmask_bits(vmask mask) { return mask; }

static inline vf32 vf32_set1(float x) {
    vf32 v;
    EACH_LANE v.lane[i] = x;
    return v;
}
static inline vf32 vf32_zero(void) { return vf32_set1(0.0f); }
static inline vf32 vf32_load(const float *p) {
    vf32 v;
    memcpy(v.lane, p, sizeof v.lane);
    return v;
}
/* 16 bf16 numbers: the upper halves of floats. */
static inline vf32 vf32_load_bf16(const uint16_t *p) {
    vf32 v;
    EACH_LANE {
        const uint32_t bits = (uint32_t)p[i] << 16;
        memcpy(v.lane + i, &bits, sizeof bits);
    }
    return v;
}
static inline void vf32_store(float *p, vf32 v) { memcpy(p, v.lane, sizeof v.lane); }
/* The first n floats, zeros behind; touches no memory beyond them. 0 ≤ n ≤ 16. */
static inline vf32 vf32_load_n(const float *p, int32_t n) {
    vf32 v;
    EACH_LANE v.lane[i] = i < n ? p[i] : 0.0f;
    return v;
}
static inline void vf32_store_n(float *p, vf32 v, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        p[i] = v.lane[i];
}
static inline vf32 vf32_add(vf32 a, vf32 b) {
    EACH_LANE a.lane[i] += b.lane[i];
    return a;
}
static inline vf32 vf32_sub(vf32 a, vf32 b) {
    EACH_LANE a.lane[i] -= b.lane[i];
    return a;
}
static inline vf32 vf32_mul(vf32 a, vf32 b) {
    EACH_LANE a.lane[i] *= b.lane[i];
    return a;
}
static inline vf32 vf32_div(vf32 a, vf32 b) {
    EACH_LANE a.lane[i] /= b.lane[i];
    return a;
}
/* a · b + c with one rounding. */
static inline vf32 vf32_fma(vf32 a, vf32 b, vf32 c) {
    EACH_LANE c.lane[i] = fmaf(a.lane[i], b.lane[i], c.lane[i]);
    return c;
}
/* a > b ? a : b, so b where either is NaN and where both are zeros. */
static inline vf32 vf32_max(vf32 a, vf32 b) {
    EACH_LANE b.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return b;
}
/* a < b ? a : b. */
static inline vf32 vf32_min(vf32 a, vf32 b) {
    EACH_LANE b.lane[i] = a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i];
    return b;
}
static inline vf32 vf32_abs(vf32 a) {
    EACH_LANE a.lane[i] = fabsf(a.lane[i]);
    return a;
}
static inline vmask vf32_gt(vf32 a, vf32 b) {
    vmask mask = 0;
    EACH_LANE mask |= (uint32_t)(a.lane[i] > b.lane[i]) << i;
    return mask;
}
static inline vmask vf32_ge(vf32 a, vf32 b) {
    vmask mask = 0;
    EACH_LANE mask |= (uint32_t)(a.lane[i] >= b.lane[i]) << i;
    return mask;
}
static inline vf32 vf32_select(vmask mask, vf32 yes, vf32 no) {
    EACH_LANE no.lane[i] = (mask >> i & 1) != 0 ? yes.lane[i] : no.lane[i];
    return no;
}
/* Lanes 0 … 7 of both by turns: a0 b0 a1 b1 …; those of 8 … 15. */
static inline vf32 vf32_zip_low(vf32 a, vf32 b) {
    vf32 v;
    EACH_LANE v.lane[i] = (i % 2 == 0 ? a : b).lane[i / 2];
    return v;
}
static inline vf32 vf32_zip_high(vf32 a, vf32 b) {
    vf32 v;
    EACH_LANE v.lane[i] = (i % 2 == 0 ? a : b).lane[8 + i / 2];
    return v;
}
/* The lanes of the mask side by side; what p has of 16 numbers behind them is lost. */
static inline void vf32_store_packed(float *p, vmask mask, vf32 v) {
    EACH_LANE if ((mask >> i & 1) != 0) *p++ = v.lane[i];
}
/* Lanes i and i + 8, then i + 4, i + 2, i + 1: the tree of every reduction. */
static inline float vf32_sum(vf32 v) {
    for (int32_t width = 8; width > 0; width /= 2)
        for (int32_t i = 0; i < width; i++)
            v.lane[i] += v.lane[i + width];
    return v.lane[0];
}
/* By the same tree; no lane may be NaN. */
static inline float vf32_max_of(vf32 v) {
    for (int32_t width = 8; width > 0; width /= 2)
        for (int32_t i = 0; i < width; i++)
            v.lane[i] = v.lane[i] > v.lane[i + width] ? v.lane[i] : v.lane[i + width];
    return v.lane[0];
}

static inline vi32 vf32_as_bits(vf32 v) {
    vi32 bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}
static inline vf32 vf32_from_bits(vi32 v) {
    vf32 floats;
    memcpy(&floats, &v, sizeof floats);
    return floats;
}
static inline vi32 vi32_set1(int32_t x) {
    vi32 v;
    EACH_LANE v.lane[i] = x;
    return v;
}
static inline vi32 vi32_load(const void *p) {
    vi32 v;
    memcpy(&v, p, sizeof v);
    return v;
}
static inline void vi32_store_packed(int32_t *p, vmask mask, vi32 v) {
    EACH_LANE if ((mask >> i & 1) != 0) *p++ = v.lane[i];
}
/* The lower half of each lane. */
static inline void vi32_store_low(uint16_t *p, vi32 v) { EACH_LANE p[i] = (uint16_t)v.lane[i]; }
/* Integers wrap around, as registers do. */
static inline vi32 vi32_add(vi32 a, vi32 b) {
    EACH_LANE a.lane[i] = (int32_t)((uint32_t)a.lane[i] + (uint32_t)b.lane[i]);
    return a;
}
static inline vi32 vi32_sub(vi32 a, vi32 b) {
    EACH_LANE a.lane[i] = (int32_t)((uint32_t)a.lane[i] - (uint32_t)b.lane[i]);
    return a;
}
static inline vi32 vi32_and(vi32 a, vi32 b) {
    EACH_LANE a.lane[i] &= b.lane[i];
    return a;
}
static inline vi32 vi32_max(vi32 a, vi32 b) {
    EACH_LANE a.lane[i] = a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i];
    return a;
}
/* Towards minus infinity. */
static inline vi32 vi32_half(vi32 a) {
    EACH_LANE a.lane[i] >>= 1;
    return a;
}
static inline vi32 vi32_shl16(vi32 a) {
    EACH_LANE a.lane[i] = (int32_t)((uint32_t)a.lane[i] << 16);
    return a;
}
/* Zeros from above. */
static inline vi32 vi32_shr16(vi32 a) {
    EACH_LANE a.lane[i] = (int32_t)((uint32_t)a.lane[i] >> 16);
    return a;
}
static inline vi32 vi32_shl23(vi32 a) {
    EACH_LANE a.lane[i] = (int32_t)((uint32_t)a.lane[i] << 23);
    return a;
}
static inline vf32 vi32_to_float(vi32 v) {
    vf32 floats;
    EACH_LANE floats.lane[i] = (float)v.lane[i];
    return floats;
}

/*
 * Integer dot products of groups along k: vq8_store rounds 64 numbers to the nearest integers,
 * halves to even ones; they lie in -127 … 127. A sum starts at zero, then for every quad of inputs
 * acc = vq8_dot(acc, weights of 16 columns, quad). What several rows use is kept in a register by
 * vq8_kept. Where the processor takes inputs otherwise, ops/int8_group.h says what else there is.
 */
static inline void vq8_store(int8_t *to, const vf32 *x) {
    /* Numbers around it have no fractions. */
    const float whole = 12582912.0f;
    for (int32_t v = 0; v < 4; v++)
        EACH_LANE to[16 * v + i] = (int8_t)(x[v].lane[i] + whole - whole);
}
static inline vq8 vq8_weights(const int8_t *p) {
    vq8 w;
    memcpy(&w, p, sizeof w);
    return w;
}
static inline vq8 vq8_kept(vq8 w) { return w; }
static inline vq8_row vq8_broadcast(int32_t four_bytes) {
    vq8_row x;
    memcpy(&x, &four_bytes, sizeof x);
    return x;
}
static inline vi32 vq8_dot(vi32 acc, vq8 w, vq8_row x) {
    EACH_LANE for (int32_t j = 0; j < 4; j++) acc.lane[i] += w.byte[4 * i + j] * x.byte[j];
    return acc;
}
#undef EACH_LANE

#endif
