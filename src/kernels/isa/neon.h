/* NEON, with or without the dot-product extension: the virtual vector is four registers.
 * isa/scalar.h says what each function means. */
#ifndef ALPHA_ISA_NEON_H
#define ALPHA_ISA_NEON_H

#include <stdint.h>
#include <arm_neon.h>

typedef struct {
    float32x4_t part[4];
} vf32;
typedef struct {
    int32x4_t part[4];
} vi32;
typedef struct {
    uint32x4_t part[4];
} vmask;
typedef struct {
    int8x16_t part[4];
} vq8;
typedef int8x16_t vq8_row;

/* Vectors of accumulators that a register tile may hold. */
#define TILE_BUDGET 6
#define TILE_BUDGET_INT8 3

#define EACH_PART _Pragma("GCC unroll 4") for (int32_t i = 0; i < 4; i++)

static inline vmask vmask_first(int32_t n) {
    static const int32_t lanes[4] = {0, 1, 2, 3};
    int32x4_t lane = vld1q_s32(lanes);
    vmask mask;
    EACH_PART mask.part[i] = vcltq_s32(lane, vdupq_n_s32(n - 4 * i));
    return mask;
}
static inline uint32_t vmask_bits(vmask mask) {
    static const uint32_t powers[4] = {1, 2, 4, 8};
    uint32x4_t power = vld1q_u32(powers);
    uint32_t bits = 0;
    EACH_PART bits |= vaddvq_u32(vandq_u32(mask.part[i], power)) << 4 * i;
    return bits;
}

static inline vf32 vf32_set1(float x) {
    vf32 v;
    EACH_PART v.part[i] = vdupq_n_f32(x);
    return v;
}
static inline vf32 vf32_zero(void) { return vf32_set1(0.0f); }
static inline vf32 vf32_load(const float *p) {
    vf32 v;
    EACH_PART v.part[i] = vld1q_f32(p + 4 * i);
    return v;
}
static inline vf32 vf32_load_bf16(const uint16_t *p) {
    vf32 v;
    EACH_PART v.part[i] = vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16));
    return v;
}
static inline void vf32_store(float *p, vf32 v) { EACH_PART vst1q_f32(p + 4 * i, v.part[i]); }
static inline vf32 vf32_load_n(const float *p, int32_t n) {
    float lanes[16] = {0};
    for (int32_t i = 0; i < n; i++)
        lanes[i] = p[i];
    return vf32_load(lanes);
}
static inline void vf32_store_n(float *p, vf32 v, int32_t n) {
    float lanes[16];
    vf32_store(lanes, v);
    for (int32_t i = 0; i < n; i++)
        p[i] = lanes[i];
}
static inline vf32 vf32_add(vf32 a, vf32 b) {
    EACH_PART a.part[i] = vaddq_f32(a.part[i], b.part[i]);
    return a;
}
static inline vf32 vf32_sub(vf32 a, vf32 b) {
    EACH_PART a.part[i] = vsubq_f32(a.part[i], b.part[i]);
    return a;
}
static inline vf32 vf32_mul(vf32 a, vf32 b) {
    EACH_PART a.part[i] = vmulq_f32(a.part[i], b.part[i]);
    return a;
}
static inline vf32 vf32_div(vf32 a, vf32 b) {
    EACH_PART a.part[i] = vdivq_f32(a.part[i], b.part[i]);
    return a;
}
static inline vf32 vf32_fma(vf32 a, vf32 b, vf32 c) {
    EACH_PART c.part[i] = vfmaq_f32(c.part[i], a.part[i], b.part[i]);
    return c;
}
/* vmaxq would return NaN where either is one. */
static inline vf32 vf32_max(vf32 a, vf32 b) {
    EACH_PART a.part[i] = vbslq_f32(vcgtq_f32(a.part[i], b.part[i]), a.part[i], b.part[i]);
    return a;
}
static inline vf32 vf32_min(vf32 a, vf32 b) {
    EACH_PART a.part[i] = vbslq_f32(vcltq_f32(a.part[i], b.part[i]), a.part[i], b.part[i]);
    return a;
}
static inline vf32 vf32_abs(vf32 a) {
    EACH_PART a.part[i] = vabsq_f32(a.part[i]);
    return a;
}
static inline vmask vf32_gt(vf32 a, vf32 b) {
    vmask mask;
    EACH_PART mask.part[i] = vcgtq_f32(a.part[i], b.part[i]);
    return mask;
}
static inline vmask vf32_ge(vf32 a, vf32 b) {
    vmask mask;
    EACH_PART mask.part[i] = vcgeq_f32(a.part[i], b.part[i]);
    return mask;
}
static inline vf32 vf32_select(vmask mask, vf32 yes, vf32 no) {
    EACH_PART no.part[i] = vbslq_f32(mask.part[i], yes.part[i], no.part[i]);
    return no;
}
static inline vf32 vf32_zip_low(vf32 a, vf32 b) {
    return (vf32){{vzip1q_f32(a.part[0], b.part[0]), vzip2q_f32(a.part[0], b.part[0]),
                   vzip1q_f32(a.part[1], b.part[1]), vzip2q_f32(a.part[1], b.part[1])}};
}
static inline vf32 vf32_zip_high(vf32 a, vf32 b) {
    return (vf32){{vzip1q_f32(a.part[2], b.part[2]), vzip2q_f32(a.part[2], b.part[2]),
                   vzip1q_f32(a.part[3], b.part[3]), vzip2q_f32(a.part[3], b.part[3])}};
}
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
    float32x4_t four = vaddq_f32(vaddq_f32(v.part[0], v.part[2]), vaddq_f32(v.part[1], v.part[3]));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
static inline float vf32_max_of(vf32 v) {
    float32x4_t low = vmaxq_f32(v.part[0], v.part[2]), high = vmaxq_f32(v.part[1], v.part[3]);
    return vmaxvq_f32(vmaxq_f32(low, high));
}

static inline vi32 vf32_as_bits(vf32 v) {
    vi32 bits;
    EACH_PART bits.part[i] = vreinterpretq_s32_f32(v.part[i]);
    return bits;
}
static inline vf32 vf32_from_bits(vi32 v) {
    vf32 floats;
    EACH_PART floats.part[i] = vreinterpretq_f32_s32(v.part[i]);
    return floats;
}
static inline vi32 vi32_set1(int32_t x) {
    vi32 v;
    EACH_PART v.part[i] = vdupq_n_s32(x);
    return v;
}
static inline vi32 vi32_load(const void *p) {
    vi32 v;
    EACH_PART v.part[i] = vld1q_s32((const int32_t *)p + 4 * i);
    return v;
}
static inline void vi32_store_packed(int32_t *p, vmask mask, vi32 v) {
    int32_t lanes[16];
    EACH_PART vst1q_s32(lanes + 4 * i, v.part[i]);
    for (uint32_t bits = vmask_bits(mask); bits != 0; bits &= bits - 1)
        *p++ = lanes[__builtin_ctz(bits)];
}
static inline void vi32_store_low(uint16_t *p, vi32 v) {
    EACH_PART vst1_u16(p + 4 * i, vmovn_u32(vreinterpretq_u32_s32(v.part[i])));
}
static inline vi32 vi32_add(vi32 a, vi32 b) {
    EACH_PART a.part[i] = vaddq_s32(a.part[i], b.part[i]);
    return a;
}
static inline vi32 vi32_sub(vi32 a, vi32 b) {
    EACH_PART a.part[i] = vsubq_s32(a.part[i], b.part[i]);
    return a;
}
static inline vi32 vi32_and(vi32 a, vi32 b) {
    EACH_PART a.part[i] = vandq_s32(a.part[i], b.part[i]);
    return a;
}
static inline vi32 vi32_max(vi32 a, vi32 b) {
    EACH_PART a.part[i] = vmaxq_s32(a.part[i], b.part[i]);
    return a;
}
static inline vi32 vi32_half(vi32 a) {
    EACH_PART a.part[i] = vshrq_n_s32(a.part[i], 1);
    return a;
}
static inline vi32 vi32_shl16(vi32 a) {
    EACH_PART a.part[i] = vshlq_n_s32(a.part[i], 16);
    return a;
}
static inline vi32 vi32_shr16(vi32 a) {
    EACH_PART a.part[i] = vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a.part[i]), 16));
    return a;
}
static inline vi32 vi32_shl23(vi32 a) {
    EACH_PART a.part[i] = vshlq_n_s32(a.part[i], 23);
    return a;
}
static inline vf32 vi32_to_float(vi32 v) {
    vf32 floats;
    EACH_PART floats.part[i] = vcvtq_f32_s32(v.part[i]);
    return floats;
}

static inline int16x8_t eight_rounded(float32x4_t low, float32x4_t high) {
    return vcombine_s16(vmovn_s32(vcvtnq_s32_f32(low)), vmovn_s32(vcvtnq_s32_f32(high)));
}
static inline void vq8_store(int8_t *to, const vf32 *x) {
    for (int32_t v = 0; v < 4; v++) {
        int16x8_t low = eight_rounded(x[v].part[0], x[v].part[1]);
        int16x8_t high = eight_rounded(x[v].part[2], x[v].part[3]);
        vst1q_s8(to + 16 * v, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
    }
}
static inline vq8 vq8_weights(const int8_t *p) {
    vq8 w;
    EACH_PART w.part[i] = vld1q_s8(p + 16 * i);
    return w;
}
static inline vq8 vq8_kept(vq8 w) { return w; }
static inline vq8_row vq8_broadcast(int32_t four_bytes) {
    return vreinterpretq_s8_s32(vdupq_n_s32(four_bytes));
}
static inline vi32 vq8_dot(vi32 acc, vq8 w, vq8_row x) {
#ifdef __ARM_FEATURE_DOTPROD
    EACH_PART acc.part[i] = vdotq_s32(acc.part[i], w.part[i], x);
#else
    EACH_PART {
        int16x8_t low = vmull_s8(vget_low_s8(w.part[i]), vget_low_s8(x));
        int16x8_t high = vmull_s8(vget_high_s8(w.part[i]), vget_high_s8(x));
        acc.part[i] = vaddq_s32(acc.part[i], vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
    }
#endif
    return acc;
}
#undef EACH_PART

#endif
