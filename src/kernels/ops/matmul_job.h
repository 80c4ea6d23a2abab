/* One matrix product as its units see it, whatever the weights' dtype. */
#ifndef ALPHA_OPS_MATMUL_JOB_H
#define ALPHA_OPS_MATMUL_JOB_H

#include "common.h"

/* Rows that meet a panel together. */
#define ROWS_PER_PASS 96

typedef struct {
    int32_t dtype;
    float *out;
    int64_t ldo;
    const float *x;
    int64_t ldx;
    const void *w;
    int32_t m, k, n;
    const float *bias; /* NULL = none */
    bool is_added;     /* the result is added to out */
    int32_t n_groups, rows_per_unit;
    void *scratch;
} matmul_job;

/* The bias of a panel's 64 columns, NULL = none. The last panel's is copied to `padded`: zeros
 * stand beyond the last column. */
static inline const float *panel_bias(const matmul_job *job, int64_t panel, float *padded) {
    const int64_t first = panel * KERNELS_PANEL, left = job->n - first;
    if (job->bias == NULL || left >= KERNELS_PANEL)
        return job->bias == NULL ? NULL : job->bias + first;
    memset(padded, 0, KERNELS_PANEL * sizeof(float));
    memcpy(padded, job->bias + first, (size_t)left * sizeof(float));
    return padded;
}

#endif
