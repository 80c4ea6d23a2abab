/* The machine's own limits: how fast the pool reads memory, how fast it multiplies and adds. */
#ifndef ALPHA_OPS_MEASURE_H
#define ALPHA_OPS_MEASURE_H

#include "matmul_float.h"

#define READ_UNIT 65536

typedef struct {
    const char *buffer;
    int64_t bytes;
    float *sums;
} read_job;

static void read_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    const read_job *job = context;
    const char *from = job->buffer + begin * READ_UNIT;
    const char *to = job->buffer + (end * READ_UNIT < job->bytes ? end * READ_UNIT : job->bytes);
    vf32 acc[8];
    UNROLL for (int32_t i = 0; i < 8; i++) { acc[i] = vf32_zero(); }
    for (; from < to; from += 512) {
        UNROLL for (int32_t i = 0; i < 8; i++) {
            acc[i] = vf32_add(acc[i], vf32_load((const float *)(from + 64 * i)));
        }
    }
    UNROLL for (int32_t i = 1; i < 8; i++) { acc[0] = vf32_add(acc[0], acc[i]); }
    job->sums[thread * 16] += vf32_sum(acc[0]);
}

static kernels_measure_read_fn FN(measure_read);
static float FN(measure_read)(const void *buffer, int64_t bytes) {
    float sums[KERNELS_THREADS_MAX * 16] = {0};
    read_job job = {buffer, bytes, sums};
    int64_t n_units = (bytes + READ_UNIT - 1) / READ_UNIT;
    pool_run(read_units, &job, n_units, 1 + n_units / (8 * pool_threads()));
    float sum = 0;
    for (int32_t i = 0; i < KERNELS_THREADS_MAX; i++)
        sum += sums[i * 16];
    return sum;
}

typedef struct {
    int64_t iterations;
    float *values; /* 16 per unit; not known to the compiler, which would merge equal lanes */
} fma_job;

static void fma_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const fma_job *job = context;
    for (int64_t unit = begin; unit < end; unit++) {
        vf32 acc[TILE_BUDGET];
        float *values = job->values + unit * 16;
        UNROLL for (int32_t i = 0; i < TILE_BUDGET; i++) {
            acc[i] = vf32_add(vf32_load(values), vf32_set1((float)i));
        }
        const vf32 a = vf32_set1(0.5f), b = vf32_set1(1.0f);
        for (int64_t i = 0; i < job->iterations; i++) {
            for (int32_t part = 0; part < 24; part += TILE_BUDGET) {
                UNROLL for (int32_t j = 0; j < TILE_BUDGET; j++) {
                    acc[j] = vf32_fma(acc[j], a, b);
                }
            }
        }
        vf32 sum = acc[0];
        UNROLL for (int32_t i = 1; i < TILE_BUDGET; i++) { sum = vf32_add(sum, acc[i]); }
        vf32_store(values, sum);
    }
}

/* One unit per thread: 24 multiply-adds of 16 lanes per iteration. */
static kernels_measure_fma_fn FN(measure_fma);
static double FN(measure_fma)(int64_t iterations) {
    float values[KERNELS_THREADS_MAX * 16];
    for (int32_t i = 0; i < KERNELS_THREADS_MAX * 16; i++)
        values[i] = (float)i;
    fma_job job = {iterations, values};
    pool_run(fma_units, &job, pool_threads(), 1);
    return (double)pool_threads() * (double)iterations * 24 * 16 * 2;
}

#define MEASURED_K 64

typedef struct {
    int64_t iterations;
    const float *x;     /* [TILE_ROWS][MEASURED_K] */
    const float *panel; /* [MEASURED_K][KERNELS_PANEL] */
} product_job;

static void product_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const product_job *job = context;
    _Alignas(64) float out[TILE_ROWS * KERNELS_PANEL];
    const tile_job tile = {
        .x = job->x,
        .ldx = MEASURED_K,
        .panel = (const char *)job->panel,
        .k = MEASURED_K,
        .n_vecs = KERNELS_PANEL / 16,
        .out = out,
        .ldo = KERNELS_PANEL,
    };
    for (int64_t i = 0; i < (end - begin) * job->iterations; i++) {
        matmul_rows_any(&tile, KERNELS_DTYPE_F32, TILE_ROWS);
        /* The next tile is another one, for all that the compiler knows. */
        __asm__ volatile("" ::: "memory");
    }
}

/* One unit per thread. */
static kernels_measure_tile_fn FN(measure_tile);
static double FN(measure_tile)(int64_t iterations) {
    _Alignas(64) float x[TILE_ROWS * MEASURED_K], panel[MEASURED_K * KERNELS_PANEL];
    for (int32_t i = 0; i < TILE_ROWS * MEASURED_K; i++)
        x[i] = (float)(i % 7) / 7;
    for (int32_t i = 0; i < MEASURED_K * KERNELS_PANEL; i++)
        panel[i] = (float)(i % 11) / 11;
    product_job job = {iterations, x, panel};
    pool_run(product_units, &job, pool_threads(), 1);
    return (double)pool_threads() * (double)iterations * TILE_ROWS * MEASURED_K * KERNELS_PANEL * 2;
}

#endif
