/* One matrix product as its units see it, whatever the weights' dtype. */
#ifndef ALPHA_OPS_MATMUL_JOB_H
#define ALPHA_OPS_MATMUL_JOB_H

#include "common.h"

/* Rows that meet a panel together, at most. */
#define ROWS_PER_PASS 132

typedef struct matmul_job matmul_job;
/* A panel for rows row … row + n_rows - 1. */
typedef void matmul_panel(const matmul_job *job, int64_t panel, int32_t row, int32_t n_rows);

struct matmul_job {
    int32_t dtype;
    matmul_panel *panel;
    float *out;
    int64_t ldo;
    const float *x;
    int64_t ldx;
    const void *w;
    int32_t m, k, n;
    const float *bias; /* NULL = none */
    bool is_added;     /* the result is added to out */
    int64_t n_panels;
    int32_t rows_per_unit; /* the last group can have fewer */
    void *scratch;
};

/* Vectors of a panel that hold columns of the matrix: 4, or fewer of the last one. */
static inline int32_t panel_vecs(const matmul_job *job, int64_t panel) {
    const int64_t left = job->n - panel * KERNELS_PANEL;
    return left >= KERNELS_PANEL ? KERNELS_PANEL / 16 : (int32_t)((left + 15) / 16);
}

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
