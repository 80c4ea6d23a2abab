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
    bool is_added; /* the finished chain is added to out */
    int32_t n_groups, rows_per_unit;
    void *scratch;
} matmul_job;

#endif
