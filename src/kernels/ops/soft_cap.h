/* x = cap · tanh(x / cap), in place: logits that cannot grow beyond ± cap. */
#ifndef ALPHA_OPS_SOFT_CAP_H
#define ALPHA_OPS_SOFT_CAP_H

#include "elementary.h"

/* Work of one element: an exponential, mostly. */
#define SOFT_CAP_WORK 16

typedef struct {
    float *x;
    int64_t ldx;
    int32_t d;
    float cap;
} soft_cap_job;

static void cap_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const soft_cap_job *job = context;
    const vf32 cap = vf32_set1(job->cap), inverse = vf32_set1(1.0f / job->cap);
    for (int64_t row = begin; row < end; row++) {
        float *x = job->x + row * job->ldx;
        for (int32_t i = 0; i < job->d; i += 16) {
            const int32_t lanes = job->d - i < 16 ? job->d - i : 16;
            const vf32 scaled = vf32_mul(vf32_load_n(x + i, lanes), inverse);
            vf32_store_n(x + i, vf32_mul(cap, vf32_tanh(scaled)), lanes);
        }
    }
}

static kernels_soft_cap_fn FN(soft_cap);
static void FN(soft_cap)(float *x, int64_t ldx, int32_t m, int32_t d, float cap) {
    soft_cap_job job = {.x = x, .ldx = ldx, .d = d, .cap = cap};
    pool_run(cap_rows, &job, m, grain_of(SOFT_CAP_WORK * (int64_t)d));
}

#endif
