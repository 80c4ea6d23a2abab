/*
 * The machine's limit of 8-bit products, in registers and the first cache, of zeros; with scales
 * they are summed as the matrix product does it.
 */
#ifndef ALPHA_OPS_MEASURE_DOT_H
#define ALPHA_OPS_MEASURE_DOT_H

#include "matmul_int8.h"
#include "matmul_int8_matrix.h"

/* Groups of inputs that one iteration takes. */
#define DOT_GROUPS 2

typedef struct {
    int64_t iterations;
    bool has_scales;
    const void *inputs; /* groups of DOT_ROWS rows */
    const char *panel;
    float *sums; /* 16 per unit */
} dot_job;

#ifdef HAS_MATRIX_DOT

#define DOT_ROWS (PATCH_SIDE * INT8_BLOCK_ROWS)
#define DOT_VECS PATCH_SIDE

static matrix_patch dot_patch(const dot_job *job, float *out) {
    return (matrix_patch){.x = job->inputs, .panel = job->panel, .out = out, .n_rows = DOT_ROWS};
}

static vf32 dot_alone(const dot_job *job) {
    const matrix_patch patch = dot_patch(job, NULL);
    next_part none = {0};
    mq8_begin(INT8_BLOCK_ROWS, 0);
    for (int64_t i = 0; i < job->iterations; i++) {
        for (int32_t g = 0; g < DOT_GROUPS; g++)
            matrix_dot(&patch, DOT_GROUPS * INT8_GROUP, g, &none, PATCH_SIDE, PATCH_SIDE);
    }
    mq8_end();
    return vf32_zero();
}

static vf32 dot_with_scales(const dot_job *job) {
    float out[DOT_ROWS * KERNELS_PANEL] = {0};
    const matmul_job product = {.k = DOT_GROUPS * INT8_GROUP, .ldo = KERNELS_PANEL};
    const matrix_patch patch = dot_patch(job, out);
    next_part none = {0};
    mq8_begin(INT8_BLOCK_ROWS, 0);
    for (int64_t i = 0; i < job->iterations; i++)
        matrix_product(&product, &patch, &none, INT8_BLOCK_ROWS, PATCH_SIDE, PATCH_SIDE);
    mq8_end();
    return vf32_load(out);
}

#else

#define DOT_ROWS TILE_ROWS
#define DOT_VECS TILE_VECS(TILE_ROWS, TILE_BUDGET_INT8)

/* Sums that never end. */
static vf32 dot_alone(const dot_job *job) {
    const int8_numbers *x = job->inputs;
    vi32 dot[DOT_ROWS][4];
    UNROLL for (int32_t r = 0; r < DOT_ROWS; r++) {
        UNROLL for (int32_t v = 0; v < DOT_VECS; v++) { dot[r][v] = vi32_set1(r); }
    }
    for (int64_t i = 0; i < job->iterations * DOT_GROUPS; i++) {
        UNROLL for (int32_t slice = 0; slice < INT8_GROUP_SLICES; slice++) {
            int8_slice(dot, x->bytes + slice * INT8_SLICE, sizeof *x,
                       job->panel + INT8_HEAD_BYTES + slice * INT8_SLICE_BYTES,
                       INT8_SLICE / INT8_QUAD, DOT_ROWS, DOT_VECS, 0);
        }
        /* The next group is another one, for all that the compiler knows. */
        __asm__ volatile("" ::: "memory");
    }
    UNROLL for (int32_t r = 0; r < DOT_ROWS; r++) {
        UNROLL for (int32_t v = 0; v < DOT_VECS; v++) {
            dot[0][0] = vi32_add(dot[0][0], dot[r][v]);
        }
    }
    return vi32_to_float(dot[0][0]);
}

static vf32 dot_with_scales(const dot_job *job) {
    next_part none = {0};
    vf32 chain[DOT_ROWS][4];
    UNROLL for (int32_t r = 0; r < DOT_ROWS; r++) {
        UNROLL for (int32_t v = 0; v < DOT_VECS; v++) { chain[r][v] = vf32_zero(); }
    }
    for (int64_t i = 0; i < job->iterations * DOT_GROUPS; i++) {
        int8_group(chain, job->inputs, 1, job->panel, &none, INT8_GROUP, DOT_ROWS, DOT_VECS, 0);
        __asm__ volatile("" ::: "memory");
    }
    UNROLL for (int32_t r = 0; r < DOT_ROWS; r++) {
        UNROLL for (int32_t v = 0; v < DOT_VECS; v++) {
            chain[0][0] = vf32_add(chain[0][0], chain[r][v]);
        }
    }
    return chain[0][0];
}

#endif

static void dot_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const dot_job *job = context;
    for (int64_t unit = begin; unit < end; unit++)
        vf32_store(job->sums + unit * 16, job->has_scales ? dot_with_scales(job) : dot_alone(job));
}

/* One unit per thread: products of DOT_ROWS × DOT_VECS with DOT_GROUPS groups per iteration. */
static kernels_measure_dot_fn FN(measure_dot);
static double FN(measure_dot)(int64_t iterations, int32_t has_scales) {
    _Alignas(64) char inputs[DOT_GROUPS * DOT_ROWS * sizeof(int8_numbers)] = {0};
    _Alignas(64) char panel[DOT_GROUPS * INT8_GROUP_BYTES] = {0};
    float sums[KERNELS_THREADS_MAX * 16];
    dot_job job = {iterations, has_scales != 0, inputs, panel, sums};
    pool_run(dot_units, &job, pool_threads(), 1);
    return (double)pool_threads() * (double)iterations * DOT_GROUPS * DOT_ROWS * DOT_VECS * 16 *
           INT8_GROUP;
}

#endif
