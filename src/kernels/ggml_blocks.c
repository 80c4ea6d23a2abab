/*
 * Numbers in ggml's formats to f32. Quantized ones come in blocks: some numbers of a few bits with
 * a scale in half precision, Q4_1 and Q5_1 also with an offset; the K formats have scales of scales
 * over 256 numbers. Each is what its definition says, every product and sum rounded.
 * https://github.com/ggml-org/ggml/blob/master/src/ggml-quants.c
 */
#include "kernels.h"

#include <string.h>

static uint16_t bits16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* IEEE 754 binary16. 2^-14 + f · 2^-24 less 2^-14 makes the subnormal numbers. */
static float half(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
    const uint32_t exponent = rest & 0x0f800000;
    const float subnormal = float_of(rest + 0x38800000) - 0x1p-14f;
    uint32_t bits = rest + (exponent == 0x0f800000 ? 0x70000000 : 0x38000000);
    if (exponent == 0)
        memcpy(&bits, &subnormal, 4);
    return float_of(bits | sign);
}

static float half_at(const uint8_t *at) { return half(bits16(at)); }

static void f16(float *out, const uint8_t *in, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        out[i] = half_at(in + 2 * i);
}

static void bf16(float *out, const uint8_t *in, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        out[i] = float_of((uint32_t)bits16(in + 2 * i) << 16);
}

/* d, then 32 signed bytes. */
static void q8_0(float *out, const uint8_t *in, int64_t blocks) {
    for (; blocks > 0; blocks--, in += 34, out += 32) {
        const float d = half_at(in);
        for (int32_t i = 0; i < 32; i++)
            out[i] = d * (float)(int8_t)in[2 + i];
    }
}

/* d, then 16 bytes: the lower halves are numbers 0 … 15, the upper ones 16 … 31. */
static void q4_0(float *out, const uint8_t *in, int64_t blocks) {
    for (; blocks > 0; blocks--, in += 18, out += 32) {
        const float d = half_at(in);
        for (int32_t i = 0; i < 16; i++) {
            out[i] = d * (float)((in[2 + i] & 15) - 8);
            out[16 + i] = d * (float)((in[2 + i] >> 4) - 8);
        }
    }
}

/* d, m, then as above. */
static void q4_1(float *out, const uint8_t *in, int64_t blocks) {
    for (; blocks > 0; blocks--, in += 20, out += 32) {
        const float d = half_at(in), m = half_at(in + 2);
        for (int32_t i = 0; i < 16; i++) {
            out[i] = d * (float)(in[4 + i] & 15) + m;
            out[16 + i] = d * (float)(in[4 + i] >> 4) + m;
        }
    }
}

/* The fifth bits of 32 numbers, then their lower four, as 0 … 31. */
static void five_bits(int32_t *values, const uint8_t *in) {
    uint32_t fifth;
    memcpy(&fifth, in, 4);
    for (int32_t i = 0; i < 16; i++) {
        values[i] = (in[4 + i] & 15) | (int32_t)(fifth >> i & 1) << 4;
        values[16 + i] = in[4 + i] >> 4 | (int32_t)(fifth >> (16 + i) & 1) << 4;
    }
}

/* d, then five bits each. */
static void q5_0(float *out, const uint8_t *in, int64_t blocks) {
    int32_t values[32];
    for (; blocks > 0; blocks--, in += 22, out += 32) {
        const float d = half_at(in);
        five_bits(values, in + 2);
        for (int32_t i = 0; i < 32; i++)
            out[i] = d * (float)(values[i] - 16);
    }
}

/* d, m, then five bits each. */
static void q5_1(float *out, const uint8_t *in, int64_t blocks) {
    int32_t values[32];
    for (; blocks > 0; blocks--, in += 24, out += 32) {
        const float d = half_at(in), m = half_at(in + 2);
        five_bits(values, in + 4);
        for (int32_t i = 0; i < 32; i++)
            out[i] = d * (float)values[i] + m;
    }
}

/* Scale and minimum of a group of 8, six bits each, out of 12 bytes. */
static void six_bits(const uint8_t *in, int64_t group, float *scale, float *minimum) {
    int32_t s, m;
    if (group < 4) {
        s = in[group] & 63;
        m = in[group + 4] & 63;
    } else {
        s = (in[group + 4] & 15) | in[group - 4] >> 6 << 4;
        m = in[group + 4] >> 4 | in[group] >> 6 << 4;
    }
    *scale = (float)s;
    *minimum = (float)m;
}

/* d, scale of the minimums, 12 bytes of scales and minimums, fifth bits where there are, lower four
 * bits. */
static void q45_k(float *out, const uint8_t *in, const uint8_t *fifth, const uint8_t *low) {
    const float d = half_at(in), d_minimum = half_at(in + 2);
    for (int64_t group = 0; group < 8; group++) {
        float scale, minimum;
        six_bits(in + 4, group, &scale, &minimum);
        scale *= d;
        minimum *= d_minimum;
        const uint8_t *from = low + (group >> 1) * 32;
        const int64_t shift = (group & 1) * 4;
        for (int32_t i = 0; i < 32; i++) {
            int32_t value = from[i] >> shift & 15;
            if (fifth)
                value |= (fifth[i] >> group & 1) << 4;
            out[group * 32 + i] = scale * (float)value - minimum;
        }
    }
}

static void q4_k(float *out, const uint8_t *in, int64_t blocks) {
    for (; blocks > 0; blocks--, in += 144, out += 256)
        q45_k(out, in, NULL, in + 16);
}

static void q5_k(float *out, const uint8_t *in, int64_t blocks) {
    for (; blocks > 0; blocks--, in += 176, out += 256)
        q45_k(out, in, in + 16, in + 48);
}

/* Lower four bits, upper two bits, 16 signed scales, d. Two halves of 128 numbers, each in four
 * groups of 32. */
static void q6_k(float *out, const uint8_t *in, int64_t blocks) {
    for (; blocks > 0; blocks--, in += 210, out += 256) {
        const float d = half_at(in + 208);
        for (int64_t group = 0; group < 8; group++) {
            const int64_t part = group >> 2, place = group & 3;
            const uint8_t *low = in + part * 64 + (place & 1) * 32;
            const uint8_t *high = in + 128 + part * 32;
            const int8_t *scales = (const int8_t *)in + 192 + group * 2;
            for (int32_t i = 0; i < 32; i++) {
                const int32_t value = (low[i] >> (place >> 1) * 4 & 15) | (high[i] >> place * 2 & 3)
                                                                              << 4;
                out[group * 32 + i] = d * (float)scales[i >> 4] * (float)(value - 32);
            }
        }
    }
}

int32_t kernels_read_ggml(int32_t type, float *out, const uint8_t *input, int64_t blocks) {
    static void (*const readers[])(float *, const uint8_t *, int64_t) = {
        [1] = f16,  [2] = q4_0,  [3] = q4_1,  [6] = q5_0,  [7] = q5_1,
        [8] = q8_0, [12] = q4_k, [13] = q5_k, [14] = q6_k, [30] = bf16,
    };
    if (type < 0 || type >= (int32_t)(sizeof readers / sizeof readers[0]) || !readers[type])
        return -1;
    readers[type](out, input, blocks);
    return 0;
}
