/*
 * How the 256 numbers of a group, inputs or weights, become bytes with one scale: they are rotated,
 * scaled by the largest and rounded.
 *
 * Where one number is much larger than the others, these would be left with a few of the 255 steps.
 * So each 16 of them, 16 apart, are multiplied by the Hadamard matrix of 16, which spreads what is
 * large over all 16 (QuaRot, Ashkboos et al. 2024). It is orthogonal: the product of two rotated
 * vectors is that of the vectors. Of a last group that is not whole, each four are, 16 apart, and
 * up to 63 numbers behind them stay as they are.
 */
#ifndef ALPHA_OPS_INT8_GROUP_H
#define ALPHA_OPS_INT8_GROUP_H

#include "elementary.h"

#define INT8_GROUP_VECS (INT8_GROUP / 16)

typedef struct {
    vf32 part[INT8_GROUP_VECS];
} int8_group_values;

/* The first `count` numbers of a group, zeros behind. */
INLINE int8_group_values group_values(const float *x, int32_t count) {
    int8_group_values values;
    UNROLL for (int32_t v = 0; v < INT8_GROUP_VECS; v++) {
        read_ahead((const char *)(x + 16 * v), LINE_BYTES);
        const int32_t lanes = count - 16 * v;
        values.part[v] = lanes >= 16 ? vf32_load(x + 16 * v)
                         : lanes > 0 ? vf32_load_n(x + 16 * v, lanes)
                                     : vf32_zero();
    }
    return values;
}

/* Four vectors at a stride by the Hadamard matrix of four, which makes them twice as long. */
INLINE void rotate_four(vf32 *v, const int32_t stride) {
    const vf32 a = vf32_add(v[0], v[stride]), b = vf32_sub(v[0], v[stride]);
    const vf32 c = vf32_add(v[2 * stride], v[3 * stride]);
    const vf32 d = vf32_sub(v[2 * stride], v[3 * stride]);
    v[0] = vf32_add(a, c);
    v[stride] = vf32_add(b, d);
    v[2 * stride] = vf32_sub(a, c);
    v[3 * stride] = vf32_sub(b, d);
}

/* Shortened first, so that large numbers do not become infinite meanwhile. */
INLINE void rotate_whole_group(int8_group_values *values) {
    UNROLL for (int32_t v = 0; v < INT8_GROUP_VECS; v++) {
        values->part[v] = vf32_mul(values->part[v], vf32_set1(0.25f));
    }
    UNROLL for (int32_t v = 0; v < INT8_GROUP_VECS; v += 4) { rotate_four(values->part + v, 1); }
    UNROLL for (int32_t v = 0; v < 4; v++) { rotate_four(values->part + v, 4); }
}

/* Of `count` numbers. */
static inline void rotate_last_group(int8_group_values *values, int32_t count) {
    const int32_t n_fours = count / 64;
    for (int32_t v = 0; v < 4 * n_fours; v++)
        values->part[v] = vf32_mul(values->part[v], vf32_set1(0.5f));
    for (int32_t v = 0; v < 4 * n_fours; v += 4)
        rotate_four(values->part + v, 1);
}

/* Sets a group's scale and returns what makes its numbers -127 … 127. Infinities and NaN make the
 * scale NaN, so that they are not lost; so can numbers beyond a quarter of the largest float. */
INLINE float scale_group(int8_numbers *to, const int8_group_values values) {
    vf32 magnitudes = vf32_zero(), poison = vf32_zero();
    UNROLL for (int32_t v = 0; v < INT8_GROUP_VECS; v++) {
        magnitudes = vf32_max(vf32_abs(values.part[v]), magnitudes);
        poison = vf32_fma(values.part[v], vf32_zero(), poison);
    }
    float magnitude = vf32_max_of(magnitudes);
    if (magnitude < INT8_MAGNITUDE_MIN)
        magnitude = 0;
    to->scale = magnitude / 127;
    if (vmask_bits(vf32_ge(poison, vf32_zero())) != 0xffff)
        to->scale += vf32_sum(poison);
    return magnitude > 0 ? 127 / magnitude : 0;
}

/* What is not finite becomes -127. */
INLINE void round_group(int8_numbers *to, int8_group_values values, float inverse) {
    UNROLL for (int32_t v = 0; v < INT8_GROUP_VECS; v += 4) {
        UNROLL for (int32_t i = v; i < v + 4; i++) {
            const vf32 scaled = vf32_mul(values.part[i], vf32_set1(inverse));
            values.part[i] = vf32_max(scaled, vf32_set1(-127.0f));
        }
        vq8_store(to->bytes + 16 * v, values.part + v);
    }
}

/* The first `count` of 256 numbers. */
INLINE void quantise_group(int8_numbers *to, const float *x, int32_t count) {
    if (count >= INT8_GROUP) {
        int8_group_values values = group_values(x, INT8_GROUP);
        rotate_whole_group(&values);
        round_group(to, values, scale_group(to, values));
    } else {
        int8_group_values values = group_values(x, count);
        rotate_last_group(&values, count);
        round_group(to, values, scale_group(to, values));
    }
}

#endif
