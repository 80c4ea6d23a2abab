/*
 * layer_norm  out = (x - mean) / sqrt(variance + epsilon) · weight + bias
 * rms_norm    out = x / sqrt(mean of squares + epsilon) · weight
 *
 * Moments over d run in 16 lanes (lane = index mod 16). Two passes over numbers that are in L1:
 * about 6 operations per element.
 */
#ifndef ALPHA_OPS_NORM_H
#define ALPHA_OPS_NORM_H

#include "common.h"

/* Work of one element, its three reads included. */
#define NORM_WORK 8

typedef struct {
    float *out;
    int64_t ldo;
    const float *x;
    int64_t ldx;
    const int32_t *rows;
    const float *weight, *bias;
    int32_t n_groups, d;
    float epsilon;
} norm_job;

/* 16 numbers times the weight plus the bias, each of them optional. */
INLINE vf32 scale_and_shift(const norm_job *job, vf32 x, int32_t i, const int32_t lanes) {
    const bool is_whole = lanes == 16;
    if (job->weight == NULL)
        return x;
    const vf32 weight = is_whole ? vf32_load(job->weight + i) : vf32_load_n(job->weight + i, lanes);
    if (job->bias == NULL)
        return vf32_mul(x, weight);
    return vf32_fma(x, weight,
                    is_whole ? vf32_load(job->bias + i) : vf32_load_n(job->bias + i, lanes));
}

static void layer_norm_row(const norm_job *job, float *out, const float *x) {
    const int32_t d = job->d, whole = d / 16 * 16, tail = d - whole;
    vf32 sum = vf32_zero();
    for (int32_t i = 0; i < whole; i += 16)
        sum = vf32_add(sum, vf32_load(x + i));
    sum = vf32_add(sum, vf32_load_n(x + whole, tail));
    const vf32 mean = vf32_set1(vf32_sum(sum) / (float)d);
    vf32 squares = vf32_zero();
    for (int32_t i = 0; i < whole; i += 16) {
        vf32 centred = vf32_sub(vf32_load(x + i), mean);
        squares = vf32_fma(centred, centred, squares);
    }
    vf32 last = vf32_sub(vf32_load_n(x + whole, tail), mean);
    last = vf32_select(vmask_first(tail), last, vf32_zero());
    squares = vf32_fma(last, last, squares);
    const float variance = vf32_sum(squares) / (float)d;
    const vf32 inverse = vf32_set1(1.0f / sqrtf(variance + job->epsilon));
    for (int32_t i = 0; i < whole; i += 16) {
        vf32 scaled = vf32_mul(vf32_sub(vf32_load(x + i), mean), inverse);
        vf32_store(out + i, scale_and_shift(job, scaled, i, 16));
    }
    last = scale_and_shift(job, vf32_mul(last, inverse), whole, tail);
    vf32_store_n(out + whole, last, tail);
}

static void rms_norm_group(const norm_job *job, float *out, const float *x) {
    const int32_t d = job->d, whole = d / 16 * 16, tail = d - whole;
    const vf32 last = vf32_load_n(x + whole, tail);
    vf32 squares = vf32_zero();
    for (int32_t i = 0; i < whole; i += 16) {
        const vf32 value = vf32_load(x + i);
        squares = vf32_fma(value, value, squares);
    }
    squares = vf32_fma(last, last, squares);
    const float mean = vf32_sum(squares) / (float)d;
    const vf32 inverse = vf32_set1(1.0f / sqrtf(mean + job->epsilon));
    for (int32_t i = 0; i < whole; i += 16) {
        const vf32 scaled = vf32_mul(vf32_load(x + i), inverse);
        vf32_store(out + i, scale_and_shift(job, scaled, i, 16));
    }
    vf32_store_n(out + whole, scale_and_shift(job, vf32_mul(last, inverse), whole, tail), tail);
}

static void layer_norm_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const norm_job *job = context;
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = job->rows == NULL ? i : job->rows[i];
        layer_norm_row(job, job->out + i * job->ldo, job->x + row * job->ldx);
    }
}

static void rms_norm_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const norm_job *job = context;
    for (int64_t i = begin; i < end; i++) {
        const int64_t row = job->rows == NULL ? i : job->rows[i];
        float *out = job->out + i * job->ldo;
        const float *x = job->x + row * job->ldx;
        for (int64_t group = 0; group < job->n_groups; group++)
            rms_norm_group(job, out + group * job->d, x + group * job->d);
    }
}

static kernels_layer_norm_fn FN(layer_norm);
static void FN(layer_norm)(float *out, int64_t ldo, const float *x, int64_t ldx,
                           const int32_t *rows, const float *weight, const float *bias, int32_t m,
                           int32_t d, float epsilon) {
    norm_job job = {
        .out = out,
        .ldo = ldo,
        .x = x,
        .ldx = ldx,
        .rows = rows,
        .weight = weight,
        .bias = bias,
        .d = d,
        .epsilon = epsilon,
    };
    pool_run(layer_norm_rows, &job, m, grain_of(NORM_WORK * d));
}

static kernels_rms_norm_fn FN(rms_norm);
static void FN(rms_norm)(float *out, int64_t ldo, const float *x, int64_t ldx, const int32_t *rows,
                         const float *weight, int32_t m, int32_t n_groups, int32_t d,
                         float epsilon) {
    norm_job job = {
        .out = out,
        .ldo = ldo,
        .x = x,
        .ldx = ldx,
        .rows = rows,
        .weight = weight,
        .n_groups = n_groups,
        .d = d,
        .epsilon = epsilon,
    };
    pool_run(rms_norm_rows, &job, m, grain_of(NORM_WORK * (int64_t)n_groups * d));
}

#endif
