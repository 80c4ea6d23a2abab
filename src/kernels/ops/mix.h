/*
 * Sums of rows with learned factors.
 *
 * mix        out = a · x + b · y
 * add_gated  x += factor · sigmoid(inputs · gate) · y, with a gate for each group of channels
 */
#ifndef ALPHA_OPS_MIX_H
#define ALPHA_OPS_MIX_H

#include "elementary.h"

/* Work of one element: two are read, one is written. */
#define MIX_WORK 4

typedef struct {
    float *out;
    int64_t ldo;
    const float *x;
    int64_t ldx;
    const float *y;
    int64_t ldy;
    int32_t d;
    float x_factor, y_factor;
} mix_job;

static void mix_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const mix_job *job = context;
    const vf32 a = vf32_set1(job->x_factor), b = vf32_set1(job->y_factor);
    for (int64_t row = begin; row < end; row++) {
        float *out = job->out + row * job->ldo;
        const float *x = job->x + row * job->ldx, *y = job->y + row * job->ldy;
        for (int32_t i = 0; i < job->d; i += 16) {
            const int32_t lanes = job->d - i < 16 ? job->d - i : 16;
            const vf32 scaled = vf32_mul(a, vf32_load_n(x + i, lanes));
            vf32_store_n(out + i, vf32_fma(b, vf32_load_n(y + i, lanes), scaled), lanes);
        }
    }
}

static kernels_mix_fn FN(mix);
static void FN(mix)(float *out, int64_t ldo, const float *x, int64_t ldx, const float *y,
                    int64_t ldy, const float *x_factor, const float *y_factor, float y_sign,
                    int32_t m, int32_t d) {
    mix_job job = {
        .out = out,
        .ldo = ldo,
        .x = x,
        .ldx = ldx,
        .y = y,
        .ldy = ldy,
        .d = d,
        .x_factor = x_factor == NULL ? 1 : *x_factor,
        .y_factor = y_sign * (y_factor == NULL ? 1 : *y_factor),
    };
    pool_run(mix_rows, &job, m, grain_of(MIX_WORK * (int64_t)d));
}

typedef struct {
    float *x;
    int64_t ldx;
    const float *y;
    int64_t ldy;
    const float *inputs;
    int64_t ldi;
    const float *gates;
    int32_t n_inputs, n_groups, d;
    float factor;
} gated_job;

/* factor / (1 + exp(-(inputs · gate))), in all lanes. */
static vf32 gate_of(const gated_job *job, const float *inputs, const float *gate) {
    vf32 sum = vf32_zero();
    for (int32_t i = 0; i < job->n_inputs; i += 16) {
        const int32_t lanes = job->n_inputs - i < 16 ? job->n_inputs - i : 16;
        sum = vf32_fma(vf32_load_n(inputs + i, lanes), vf32_load_n(gate + i, lanes), sum);
    }
    const vf32 power = vf32_exp(vf32_set1(-vf32_sum(sum)));
    return vf32_div(vf32_set1(job->factor), vf32_add(vf32_set1(1.0f), power));
}

static void add_gated_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const gated_job *job = context;
    for (int64_t row = begin; row < end; row++) {
        const float *inputs = job->inputs + row * job->ldi;
        for (int64_t group = 0; group < job->n_groups; group++) {
            const vf32 gate = gate_of(job, inputs, job->gates + group * job->n_inputs);
            float *x = job->x + row * job->ldx + group * job->d;
            const float *y = job->y + row * job->ldy + group * job->d;
            for (int32_t i = 0; i < job->d; i += 16) {
                const int32_t lanes = job->d - i < 16 ? job->d - i : 16;
                const vf32 sum =
                    vf32_fma(gate, vf32_load_n(y + i, lanes), vf32_load_n(x + i, lanes));
                vf32_store_n(x + i, sum, lanes);
            }
        }
    }
}

static kernels_add_gated_fn FN(add_gated);
static void FN(add_gated)(float *x, int64_t ldx, const float *y, int64_t ldy, const float *inputs,
                          int64_t ldi, const float *gates, const float *factor, float scale,
                          int32_t m, int32_t n_inputs, int32_t n_groups, int32_t d) {
    gated_job job = {
        .x = x,
        .ldx = ldx,
        .y = y,
        .ldy = ldy,
        .inputs = inputs,
        .ldi = ldi,
        .gates = gates,
        .n_inputs = n_inputs,
        .n_groups = n_groups,
        .d = d,
        .factor = scale * (factor == NULL ? 1 : *factor),
    };
    pool_run(add_gated_rows, &job, m, grain_of(MIX_WORK * (int64_t)n_groups * (n_inputs + d)));
}

#endif
