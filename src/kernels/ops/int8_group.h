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

#ifndef HAS_UNSIGNED_INPUTS
/* 64 numbers of vq8_store become what vq8_broadcast takes. */
static inline void vq8_inputs(int8_t *bytes) { (void)bytes; }
/* Where the sums of 16 columns begin for such inputs; `sums` are those of the group's weights. */
static inline vi32 vq8_start(const int16_t *sums) {
    (void)sums;
    return vi32_set1(0);
}
#endif

#define INT8_SLICE_VECS (INT8_SLICE / 16)
#define INT8_GROUP_VECS (INT8_GROUP / 16)

typedef struct {
    vf32 part[INT8_GROUP_VECS];
} int8_group_values;

/* Where a group goes: its slices of bytes lie `stride` bytes apart. */
typedef struct {
    int8_t *slices;
    int64_t stride;
    float *scale;
} int8_place;

INLINE int8_place place_in(int8_numbers *numbers) {
    return (int8_place){numbers->bytes, INT8_SLICE, &numbers->scale};
}

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
INLINE void rotate_last_group(int8_group_values *values, int32_t count) {
    UNROLL for (int32_t slice = 0; slice < INT8_GROUP_SLICES; slice++) {
        vf32 *part = values->part + INT8_SLICE_VECS * slice;
        if (count < INT8_SLICE * (slice + 1))
            return;
        UNROLL for (int32_t v = 0; v < INT8_SLICE_VECS; v++) {
            part[v] = vf32_mul(part[v], vf32_set1(0.5f));
        }
        rotate_four(part, 1);
    }
}

/* The largest magnitude of a group's numbers in each lane; NaN where one is NaN. Without signs
 * floats have the order of their bits. */
INLINE vf32 group_magnitudes(const int8_group_values *values) {
    vi32 largest[4];
    UNROLL for (int32_t v = 0; v < INT8_GROUP_VECS; v++) {
        const vi32 magnitude = vf32_as_bits(vf32_abs(values->part[v]));
        largest[v % 4] = v < 4 ? magnitude : vi32_max(magnitude, largest[v % 4]);
    }
    const vi32 low = vi32_max(largest[0], largest[1]), high = vi32_max(largest[2], largest[3]);
    return vf32_from_bits(vi32_max(low, high));
}

/* Sets a group's scale and returns what makes its numbers -127 … 127. Infinities and NaN, which
 * numbers beyond a quarter of the largest float can become, make the scale NaN, so that they are
 * not lost, and the numbers zero. */
INLINE float scale_group(float *scale, int8_group_values *values) {
    const vf32 magnitudes = group_magnitudes(values);
    if (vmask_bits(vf32_gt(vf32_set1(INFINITY), magnitudes)) != 0xffff) {
        *values = (int8_group_values){0};
        *scale = NAN;
        return 0;
    }
    float magnitude = vf32_max_of(magnitudes);
    if (magnitude < INT8_MAGNITUDE_MIN)
        magnitude = 0;
    *scale = magnitude / 127;
    return magnitude > 0 ? 127 / magnitude : 0;
}

/* The first `count` of 256 numbers, zeros behind up to whole slices. */
INLINE void quantise_numbers(int8_place to, const float *x, const int32_t count,
                             const bool for_broadcast) {
    int8_group_values values = group_values(x, count);
    if (count == INT8_GROUP)
        rotate_whole_group(&values);
    else
        rotate_last_group(&values, count);
    const vf32 inverse = vf32_set1(scale_group(to.scale, &values));
    UNROLL for (int32_t slice = 0; slice < INT8_GROUP_SLICES; slice++) {
        if (count <= INT8_SLICE * slice)
            return;
        vf32 *part = values.part + INT8_SLICE_VECS * slice;
        UNROLL for (int32_t v = 0; v < INT8_SLICE_VECS; v++) {
            part[v] = vf32_mul(part[v], inverse);
        }
        int8_t *bytes = to.slices + to.stride * slice;
        vq8_store(bytes, part);
        if (for_broadcast)
            vq8_inputs(bytes);
    }
}

/* The first 256 of `left` numbers, or all, if need be as vq8_broadcast takes them. */
INLINE void quantise_group(int8_place to, const float *x, int32_t left, const bool for_broadcast) {
    if (left >= INT8_GROUP)
        quantise_numbers(to, x, INT8_GROUP, for_broadcast);
    else
        quantise_numbers(to, x, left, for_broadcast);
}

#endif
