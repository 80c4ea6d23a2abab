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

/* out = (x - mean) · inverse · weight + bias, for one row or group. */
INLINE void write_scaled(const norm_job *job, float *out, const float *x, vf32 mean, vf32 inverse,
                         const bool has_weight, const bool has_bias) {
    const int32_t whole = job->d / 16 * 16, tail = job->d - whole;
    const float *weight = job->weight, *bias = job->bias;
    for (int32_t i = 0; i < whole; i += 16) {
        read_ahead((const char *)(x + i), LINE_BYTES);
        vf32 scaled = vf32_mul(vf32_sub(vf32_load(x + i), mean), inverse);
        if (has_bias)
            scaled = vf32_fma(scaled, vf32_load(weight + i), vf32_load(bias + i));
        else if (has_weight)
            scaled = vf32_mul(scaled, vf32_load(weight + i));
        vf32_store(out + i, scaled);
    }
    vf32 last = vf32_mul(vf32_sub(vf32_load_n(x + whole, tail), mean), inverse);
    if (has_bias)
        last = vf32_fma(last, vf32_load_n(weight + whole, tail), vf32_load_n(bias + whole, tail));
    else if (has_weight)
        last = vf32_mul(last, vf32_load_n(weight + whole, tail));
    vf32_store_n(out + whole, last, tail);
}

static void write_row(const norm_job *job, float *out, const float *x, float mean, float squares) {
    const vf32 middle = vf32_set1(mean);
    const vf32 inverse = vf32_set1(1.0f / sqrtf(squares + job->epsilon));
    if (job->bias != NULL)
        write_scaled(job, out, x, middle, inverse, true, true);
    else if (job->weight != NULL)
        write_scaled(job, out, x, middle, inverse, true, false);
    else
        write_scaled(job, out, x, middle, inverse, false, false);
}

static void layer_norm_row(const norm_job *job, float *out, const float *x) {
    const int32_t d = job->d, whole = d / 16 * 16, tail = d - whole;
    vf32 sum = vf32_zero();
    for (int32_t i = 0; i < whole; i += 16)
        sum = vf32_add(sum, vf32_load(x + i));
    sum = vf32_add(sum, vf32_load_n(x + whole, tail));
    const float mean = vf32_sum(sum) / (float)d;
    const vf32 middle = vf32_set1(mean);
    vf32 squares = vf32_zero();
    for (int32_t i = 0; i < whole; i += 16) {
        vf32 centred = vf32_sub(vf32_load(x + i), middle);
        squares = vf32_fma(centred, centred, squares);
    }
    vf32 last = vf32_sub(vf32_load_n(x + whole, tail), middle);
    last = vf32_select(vmask_first(tail), last, vf32_zero());
    squares = vf32_fma(last, last, squares);
    write_row(job, out, x, mean, vf32_sum(squares) / (float)d);
}

static void rms_norm_group(const norm_job *job, float *out, const float *x) {
    const int32_t d = job->d, whole = d / 16 * 16;
    vf32 squares = vf32_zero();
    for (int32_t i = 0; i < whole; i += 16) {
        const vf32 value = vf32_load(x + i);
        squares = vf32_fma(value, value, squares);
    }
    const vf32 last = vf32_load_n(x + whole, d - whole);
    squares = vf32_fma(last, last, squares);
    write_row(job, out, x, 0, vf32_sum(squares) / (float)d);
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
