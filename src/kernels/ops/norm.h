/*
 * out = (x - mean) / sqrt(variance + 1e-5) · weight + bias per row, both moments over d in 16
 * lanes. Two passes over a row that is in L1: about 6 operations per element.
 */
#ifndef ALPHA_OPS_NORM_H
#define ALPHA_OPS_NORM_H

#include "common.h"

#define LAYER_NORM_EPSILON 1e-5f
/* Work of one element, its three reads included. */
#define NORM_WORK 8

typedef struct {
    float *out;
    int64_t ldo;
    const float *x;
    int64_t ldx;
    const int32_t *rows;
    const float *weight, *bias;
    int32_t d;
} norm_job;

static void norm_row(const norm_job *job, float *out, const float *x) {
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
    const vf32 inverse = vf32_set1(1.0f / sqrtf(variance + LAYER_NORM_EPSILON));
    for (int32_t i = 0; i < whole; i += 16) {
        vf32 scaled = vf32_mul(vf32_sub(vf32_load(x + i), mean), inverse);
        scaled = vf32_fma(scaled, vf32_load(job->weight + i), vf32_load(job->bias + i));
        vf32_store(out + i, scaled);
    }
    last = vf32_fma(vf32_mul(last, inverse), vf32_load_n(job->weight + whole, tail),
                    vf32_load_n(job->bias + whole, tail));
    vf32_store_n(out + whole, last, tail);
}

static void norm_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const norm_job *job = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t row = job->rows == NULL ? i : job->rows[i];
        norm_row(job, job->out + i * job->ldo, job->x + row * job->ldx);
    }
}

static kernels_layer_norm_fn FN(layer_norm);
static void FN(layer_norm)(float *out, int64_t ldo, const float *x, int64_t ldx,
                           const int32_t *rows, const float *weight, const float *bias, int32_t m,
                           int32_t d) {
    norm_job job = {
        .out = out,
        .ldo = ldo,
        .x = x,
        .ldx = ldx,
        .rows = rows,
        .weight = weight,
        .bias = bias,
        .d = d,
    };
    pool_run(norm_rows, &job, m, grain_of(NORM_WORK * d));
}

#endif
