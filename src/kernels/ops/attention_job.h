/*
 * Causal attention over KV blocks of 32 tokens (layout in kernels.h): what rows and tiles share.
 *
 * Numerics, the same however a prompt was cut into chunks: a score is one chain over the channels
 * (lanes are tokens); maximum and sum of a row run over 16 lanes (lane = position mod 16); a value
 * channel is four chains (position mod 4) over the positions in order, added as (0 + 1) + (2 + 3).
 * Nothing outside of a row's own window enters its arithmetic. Cost: 4 · d_head operations per row,
 * head and position.
 */
#ifndef ALPHA_OPS_ATTENTION_JOB_H
#define ALPHA_OPS_ATTENTION_JOB_H

#include "common.h"
#include "elementary.h"

#define KV_BLOCK KERNELS_KV_BLOCK
#define CHAINS 4

typedef struct {
    float *out;
    int64_t ldo;
    const float *q;
    int64_t ldq;
    const char *kv;
    int64_t block_stride;
    const kernels_span *spans;
    const int32_t *tables;
    int32_t n_head, n_kv_head, d_head;
    int32_t group;  /* heads that share keys and values */
    int32_t window; /* 0 = all positions */
    float scale, soft_cap;
    float *scratch;
    int64_t scratch_stride; /* floats per row: the longest context, in whole blocks */
} attention_job;

/* Up to TILE_ROWS rows of one span. */
typedef struct {
    int32_t row, n_rows, position;
    const int32_t *blocks;
} attention_tile;

static inline int32_t kv_head_of(const attention_job *job, int32_t head) {
    return job->group == 1 ? head : head / job->group;
}

/* The first position that a row attends to. */
static inline int32_t window_start(const attention_job *job, int32_t position) {
    return job->window > 0 && position >= job->window ? position - job->window + 1 : 0;
}

static inline int32_t block_start(int32_t position) { return position / KV_BLOCK * KV_BLOCK; }

/* ---- keys and values in either number format, `kv_dtype`, a constant wherever it is passed ----
 */

/* From number `n` on. */
INLINE const void *numbers_from(const int32_t kv_dtype, const void *numbers, int64_t n) {
    if (kv_dtype == KERNELS_DTYPE_F32)
        return (const float *)numbers + n;
    return (const uint16_t *)numbers + n;
}

INLINE const void *keys_of(const int32_t kv_dtype, const attention_job *job, int32_t block,
                           int32_t kv_head) {
    return numbers_from(kv_dtype, job->kv + block * job->block_stride,
                        (int64_t)kv_head * job->d_head * KV_BLOCK);
}

INLINE const void *values_of(const int32_t kv_dtype, const attention_job *job, int32_t block,
                             int32_t kv_head) {
    const int64_t d_pad = value_numbers(job->d_head);
    return numbers_from(kv_dtype, job->kv + block * job->block_stride,
                        (int64_t)KV_BLOCK * (job->n_kv_head * job->d_head + kv_head * d_pad));
}

/* Numbers n … n + 15. */
INLINE vf32 kv_load(const int32_t kv_dtype, const void *numbers, int64_t n) {
    if (kv_dtype == KERNELS_DTYPE_F32)
        return vf32_load((const float *)numbers + n);
    return vf32_load_bf16((const uint16_t *)numbers + n);
}

/* Numbers n … n + 31 as two vectors, in the order that costs least: of bf16 the even and the odd
 * ones. After the arithmetic kv_in_order restores their order. */
INLINE void kv_load_two(const int32_t kv_dtype, const void *numbers, int64_t n, vf32 *two) {
    if (kv_dtype == KERNELS_DTYPE_F32) {
        two[0] = vf32_load((const float *)numbers + n);
        two[1] = vf32_load((const float *)numbers + n + 16);
        return;
    }
    const vi32 pairs = vi32_load((const uint16_t *)numbers + n);
    two[0] = low_bf16(pairs);
    two[1] = high_bf16(pairs);
}

INLINE void kv_in_order(const int32_t kv_dtype, vf32 *two) {
    if (kv_dtype == KERNELS_DTYPE_F32)
        return;
    const vf32 low = vf32_zip_low(two[0], two[1]);
    two[1] = vf32_zip_high(two[0], two[1]);
    two[0] = low;
}

/* Numbers n … n + 16·vecs - 1, two vectors at a time in kv_load_two's order. */
INLINE void kv_load_vecs(const int32_t kv_dtype, const void *numbers, int64_t n, vf32 *loaded,
                         const int32_t vecs) {
    UNROLL for (int32_t v = 0; v + 1 < vecs; v += 2) {
        kv_load_two(kv_dtype, numbers, n + 16 * v, loaded + v);
    }
    if (vecs % 2 == 1)
        loaded[vecs - 1] = kv_load(kv_dtype, numbers, n + 16 * (vecs - 1));
}

INLINE void kv_vecs_in_order(const int32_t kv_dtype, vf32 *loaded, const int32_t vecs) {
    UNROLL for (int32_t v = 0; v + 1 < vecs; v += 2) { kv_in_order(kv_dtype, loaded + v); }
}

/* Scores of one row become weights exp(s - max) from its window's start on; returns 1 / their sum.
 */
static float softmax_row(const attention_job *job, float *scores, int32_t position) {
    const float factor = job->soft_cap > 0 ? job->scale / job->soft_cap : job->scale;
    const vf32 scale = vf32_set1(factor), cap = vf32_set1(job->soft_cap);
    const vf32 lowest = vf32_set1(-INFINITY);
    const int32_t start = window_start(job, position), hidden = start % 16;
    const int32_t first = start - hidden, last = position / 16 * 16;
    /* The vectors at both ends hold positions that are not the row's. */
    int32_t edge = hidden > 0 ? first : last;
    vf32 largest = lowest;
    for (int32_t t = first; t <= last; t += 16) {
        vf32 s = vf32_mul(vf32_load(scores + t), scale);
        if (job->soft_cap > 0)
            s = vf32_mul(cap, vf32_tanh(s));
        if (t == edge) {
            if (t == first)
                s = vf32_select(vmask_first(hidden), lowest, s);
            if (t == last)
                s = vf32_select(vmask_first(position - last + 1), s, lowest);
            edge = last;
        }
        vf32_store(scores + t, s);
        largest = vf32_max(s, largest);
    }
    const vf32 max = vf32_set1(vf32_max_of(largest));
    vf32 sum = vf32_zero();
    for (int32_t t = first; t <= last; t += 16) {
        vf32 weight = vf32_exp_falling(vf32_sub(vf32_load(scores + t), max));
        vf32_store(scores + t, weight);
        sum = vf32_add(sum, weight);
    }
    return 1.0f / vf32_sum(sum);
}

static inline vf32 sum_chains(float (*chains)[16]) {
    vf32 even = vf32_add(vf32_load(chains[0]), vf32_load(chains[1]));
    vf32 odd = vf32_add(vf32_load(chains[2]), vf32_load(chains[3]));
    return vf32_add(even, odd);
}

#endif
