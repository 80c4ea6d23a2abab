/*
 * The matrix product, all dtypes. A unit is a panel of 64 columns × a group of rows; the units of a
 * group follow each other, so that its inputs stay in the cache.
 */
#ifndef ALPHA_OPS_MATMUL_H
#define ALPHA_OPS_MATMUL_H

#include "matmul_float.h"
#include "matmul_int8.h"
#include "matmul_int8_matrix.h"

static kernels_matmul_fn FN(matmul);

/* Below this the last units would leave threads idle. */
#define UNITS_PER_THREAD_MIN 4
/* Each thread gets rows of its own, so that they stay in its cache from op to op, where these are
 * enough to make up for reading all weights and there are not more of these. */
#define OWN_ROWS_MIN 48
#define OWN_ROWS_WEIGHTS_MAX (1 << 20)
/* Small enough to even out threads of different speed, large enough to cost nothing. */
#define GRAINS_PER_THREAD 32

/* Work of quantising one number. */
#define QUANTISE_WORK 10

/* Of a dtype and a number of rows. */
typedef struct {
    pool_task *quantise; /* of rows, before; NULL = none */
    matmul_panel *panel;
    int32_t tile_rows;
} matmul_way;

static matmul_way matmul_way_of(int32_t dtype, int32_t m) {
    if (dtype != KERNELS_DTYPE_INT8)
        return (matmul_way){NULL, float_panel, TILE_ROWS};
#ifdef HAS_MATRIX_DOT
    if (m >= MATRIX_ROWS_MIN)
        return (matmul_way){quantise_block_rows, matrix_panel, INT8_BLOCK_ROWS};
#endif
    (void)m;
    return (matmul_way){quantise_rows, int8_panel, TILE_ROWS};
}

static void matmul_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const matmul_job *job = context;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t panel = unit % job->n_panels;
        int32_t row = (int32_t)(unit / job->n_panels) * job->rows_per_unit;
        int32_t n_rows = job->m - row < job->rows_per_unit ? job->m - row : job->rows_per_unit;
        job->panel(job, panel, row, n_rows);
    }
}

/* Sets what a product's units are; returns how many there are. */
static int64_t cut_into_units(matmul_job *job, int32_t tile_rows) {
    const int32_t m = job->m, n_threads = pool_threads();
    const int64_t n_panels = panels_of(job->n);
    int32_t n_groups = (m + ROWS_PER_PASS - 1) / ROWS_PER_PASS;
    /* Fewer panels than would feed all threads: smaller groups of rows. */
    while (n_groups * n_panels < UNITS_PER_THREAD_MIN * n_threads &&
           m / (n_groups + 1) >= 2 * tile_rows)
        n_groups++;
    if (n_panels * KERNELS_PANEL * job->k <= OWN_ROWS_WEIGHTS_MAX)
        while (n_groups < n_threads && m / (n_groups + 1) >= OWN_ROWS_MIN)
            n_groups++;
    /* Whole tiles; rounding up can leave fewer groups. */
    const int32_t n_tiles = (m + tile_rows - 1) / tile_rows;
    const int32_t group_rows = (n_tiles + n_groups - 1) / n_groups * tile_rows;
    job->n_panels = n_panels;
    job->rows_per_unit = m < group_rows ? m : group_rows;
    return (m + group_rows - 1) / group_rows * n_panels;
}

/* Rows; each thread gets as many grains, since there are few. */
static int64_t quantise_grain(int32_t m, int32_t k) {
    const int64_t n_threads = pool_threads();
    int64_t n_grains = m / grain_of((int64_t)QUANTISE_WORK * k);
    if (n_grains > n_threads)
        n_grains -= n_grains % n_threads;
    return n_grains <= 1 ? m : (m + n_grains - 1) / n_grains;
}

static void FN(matmul)(int32_t dtype, float *out, int64_t ldo, const float *x, int64_t ldx,
                       const void *w, const float *bias, int32_t m, int32_t k, int32_t n,
                       int32_t accumulate, void *scratch) {
    if (m == 0)
        return;
    matmul_job job = {
        .dtype = dtype,
        .out = out,
        .ldo = ldo,
        .x = x,
        .ldx = ldx,
        .w = w,
        .m = m,
        .k = k,
        .n = n,
        .bias = bias,
        .is_added = accumulate != 0,
        .scratch = scratch,
    };
    const matmul_way way = matmul_way_of(dtype, m);
    job.panel = way.panel;
    if (way.quantise != NULL)
        pool_run(way.quantise, &job, m, quantise_grain(m, k));
    const int64_t n_units = cut_into_units(&job, way.tile_rows);
    const int64_t work = n_units * k * KERNELS_PANEL * job.rows_per_unit;
    const int64_t grain = 1 + n_units / (GRAINS_PER_THREAD * pool_threads());
    pool_run(matmul_units, &job, n_units, grain_unless_small(grain, n_units, work));
}

#endif
