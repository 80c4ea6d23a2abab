/*
 * exp, tanh and log from additions, multiplications, divisions and fused multiply-adds alone: the
 * same bits everywhere. Polynomials are minimax fits in relative error (Remez), coefficients
 * rounded to f32. Largest error seen: exp 1.1 ulp, tanh 2.0 ulp.
 */
#ifndef ALPHA_OPS_ELEMENTARY_H
#define ALPHA_OPS_ELEMENTARY_H

#include "common.h"

/* Adding and subtracting it rounds to an integer, nearest even, which then is in the low bits. */
#define ROUNDING_SHIFT 12582912.0f

static inline uint32_t float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float bits_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#define BF16_NAN 0x7fc0

/* Upper half of the float nearest to x with 8 bits of significand, ties to even. */
static inline uint16_t bf16_of(float x) {
    const uint32_t bits = float_bits(x);
    return x == x ? (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16) : BF16_NAN;
}

static inline void vf32_store_bf16(uint16_t *to, vf32 x) {
    const vi32 bits = vf32_as_bits(x), upper = vi32_shr16(bits);
    const vi32 half = vi32_add(vi32_set1(0x7fff), vi32_and(upper, vi32_set1(1)));
    const vf32 rounded = vf32_from_bits(vi32_shr16(vi32_add(bits, half)));
    const vmask is_number = vf32_ge(vf32_abs(x), vf32_zero());
    const vf32 nan = vf32_from_bits(vi32_set1(BF16_NAN));
    vi32_store_low(to, vf32_as_bits(vf32_select(is_number, rounded, nan)));
}

/* exp(x) = p · 2^exponent with p between 0.7 and 1.5, for |x| up to 104. */
static inline vf32 exp_parts(vf32 x, vi32 *exponent) {
    const vf32 shift = vf32_set1(ROUNDING_SHIFT);
    vf32 shifted = vf32_fma(x, vf32_set1(1.44269502f), shift);
    *exponent = vi32_sub(vf32_as_bits(shifted), vf32_as_bits(shift));
    vf32 n = vf32_sub(shifted, shift);
    /* x - n · ln 2 in two pieces; n · 0.693… fits into the multiply-add exactly. */
    vf32 r = vf32_fma(n, vf32_set1(-0x1.62e43p-1f), x);
    r = vf32_fma(n, vf32_set1(1.90465430e-9f), r);
    vf32 p = vf32_set1(0.0013814462581649423f);
    p = vf32_fma(p, r, vf32_set1(0.008368780836462975f));
    p = vf32_fma(p, r, vf32_set1(0.04166839271783829f));
    p = vf32_fma(p, r, vf32_set1(0.1666651964187622f));
    p = vf32_fma(p, r, vf32_set1(0.4999999403953552f));
    p = vf32_fma(vf32_mul(r, r), p, r);
    return vf32_add(p, vf32_set1(1.0f));
}

static inline vf32 power_of_two(vi32 exponent) {
    return vf32_from_bits(vi32_shl23(vi32_add(exponent, vi32_set1(127))));
}

#ifndef HAS_SCALE
/* p · 2^exponent, rounded once, for exponents -150 … 128 and p near 1: in two factors. */
static inline vf32 vf32_scale(vf32 p, vi32 exponent) {
    vi32 first = vi32_half(exponent);
    p = vf32_mul(p, power_of_two(first));
    return vf32_mul(p, power_of_two(vi32_sub(exponent, first)));
}
#endif

/* exp(x); 0 below -104, infinity above 88.73, NaN for NaN. */
static inline vf32 vf32_exp(vf32 x) {
    /* The bound comes first, so that a NaN passes. */
    x = vf32_max(vf32_set1(-104.0f), x);
    x = vf32_min(vf32_set1(89.0f), x);
    vi32 exponent;
    vf32 p = exp_parts(x, &exponent);
    return vf32_scale(p, exponent);
}

/* exp(x) for x ≤ 0, NaN for NaN; below -87, where floats end, exp(-87) = 1.6e-38. */
static inline vf32 vf32_exp_falling(vf32 x) {
    vi32 exponent;
    vf32 p = exp_parts(vf32_max(vf32_set1(-87.0f), x), &exponent);
    return vf32_mul(p, power_of_two(exponent));
}

static inline vf32 vf32_tanh(vf32 x) {
    vf32 magnitude = vf32_abs(x);
    /* Near zero x + x³ q(x²); elsewhere 1 - 2 / (exp(2|x|) + 1) with x's sign. */
    vf32 square = vf32_mul(x, x);
    vf32 q = vf32_set1(-0.005704977549612522f);
    q = vf32_fma(q, square, vf32_set1(0.020639078691601753f));
    q = vf32_fma(q, square, vf32_set1(-0.05373971164226532f));
    q = vf32_fma(q, square, vf32_set1(0.13331441581249237f));
    q = vf32_fma(q, square, vf32_set1(-0.3333328068256378f));
    vf32 near_zero = vf32_fma(vf32_mul(x, square), q, x);
    const vmask is_near = vf32_gt(vf32_set1(0.625f), magnitude);
    /* The scores that are softly capped mostly are small. */
    if (vmask_bits(is_near) == 0xffff)
        return near_zero;
    vf32 power = vf32_exp(vf32_add(magnitude, magnitude));
    const vf32 one = vf32_set1(1.0f);
    vf32 far = vf32_sub(one, vf32_div(vf32_set1(2.0f), vf32_add(power, one)));
    far = vf32_select(vf32_gt(vf32_zero(), x), vf32_sub(vf32_zero(), far), far);
    return vf32_select(is_near, near_zero, far);
}

/* x / (1 + exp(-x)) */
static inline vf32 vf32_silu(vf32 x) {
    vf32 power = vf32_exp(vf32_sub(vf32_zero(), x));
    return vf32_div(x, vf32_add(vf32_set1(1.0f), power));
}

/* 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), by ½ (1 + tanh y) = 1 / (1 + exp(-2y)). */
static inline vf32 vf32_gelu(vf32 x) {
    vf32 cubic = vf32_fma(vf32_mul(x, x), vf32_set1(0.044715f), vf32_set1(1.0f));
    vf32 y = vf32_mul(vf32_mul(x, vf32_set1(-1.5957691216057308f)), cubic);
    return vf32_div(x, vf32_add(vf32_set1(1.0f), vf32_exp(y)));
}

/*
 * x Φ(x) with Φ(x) = ½ (1 + erf(x/√2)). Below |y| = 1, y = x/√2, erf(y) = y p(y²); above, Φ or 1 -
 * Φ is ½ erfc|y| with erfc = exp(-y² - q(y)), which keeps its digits where Φ is small.
 */
static inline vf32 vf32_gelu_erf(vf32 x) {
    const vf32 one = vf32_set1(1.0f), half = vf32_set1(0.5f);
    const vf32 y = vf32_mul(x, vf32_set1(0.70710678f)), square = vf32_mul(y, y);
    vf32 p = vf32_set1(7.853877468733117e-05f);
    p = vf32_fma(p, square, vf32_set1(-0.000801019836217165f));
    p = vf32_fma(p, square, vf32_set1(0.005188328213989735f));
    p = vf32_fma(p, square, vf32_set1(-0.026853812858462334f));
    p = vf32_fma(p, square, vf32_set1(0.1128358542919159f));
    p = vf32_fma(p, square, vf32_set1(-0.3761262595653534f));
    p = vf32_fma(p, square, vf32_set1(1.1283791065216064f));
    const vf32 near_zero = vf32_fma(vf32_mul(y, p), half, half);
    const vmask is_far = vf32_ge(vf32_abs(y), one);
    if (vmask_bits(is_far) == 0)
        return vf32_mul(x, near_zero);
    const vf32 bound = vf32_set1(6.5f), a = vf32_min(vf32_abs(y), bound);
    vf32 q = vf32_set1(7.394514511815942e-08f);
    q = vf32_fma(q, a, vf32_set1(-3.057559297303669e-06f));
    q = vf32_fma(q, a, vf32_set1(5.70350639463868e-05f));
    q = vf32_fma(q, a, vf32_set1(-0.0006384729640558362f));
    q = vf32_fma(q, a, vf32_set1(0.004825341049581766f));
    q = vf32_fma(q, a, vf32_set1(-0.026363952085375786f));
    q = vf32_fma(q, a, vf32_set1(0.10966096073389053f));
    q = vf32_fma(q, a, vf32_set1(-0.3674606680870056f));
    q = vf32_fma(q, a, vf32_set1(1.1296865940093994f));
    q = vf32_fma(q, a, vf32_set1(-0.00015831086784601212f));
    const vf32 exponent = vf32_sub(vf32_zero(), vf32_fma(a, a, q));
    vf32 tail = vf32_mul(half, vf32_exp_falling(exponent));
    tail = vf32_select(vf32_ge(a, bound), vf32_zero(), tail);
    const vf32 far = vf32_select(vf32_gt(x, vf32_zero()), vf32_sub(one, tail), tail);
    return vf32_mul(x, vf32_select(is_far, far, near_zero));
}

/* NaN gives zero, as x > 0 ? x : 0 does. */
static inline vf32 vf32_relu(vf32 x) { return vf32_max(x, vf32_zero()); }

static inline vf32 vf32_relu_squared(vf32 x) {
    const vf32 positive = vf32_relu(x);
    return vf32_mul(positive, positive);
}

/* log(x) for finite x > 0: x = m · 2^e with m near 1, log m = 2 artanh((m - 1) / (m + 1)). */
static inline double log_f64(double x) {
    int exponent;
    double m = frexp(x, &exponent);
    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    double s = (m - 1) / (m + 1);
    double square = s * s;
    double series = 0;
    for (int32_t odd = 23; odd >= 3; odd -= 2)
        series = (series + 1.0 / odd) * square;
    /* ln 2 in two parts; the first has zeros behind it, so its product with the exponent is exact.
     */
    return exponent * 0x1.62e42fee00000p-1 +
           (2 * s + (2 * s * series + exponent * 0x1.a39ef35793c76p-33));
}

#endif
