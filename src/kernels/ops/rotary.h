/*
 * Rotary positions (Su et al. 2021): the pairs of a head turn by angles that the caller has put
 * into a table of cosines and sines. Two products and a sum per number, each rounded.
 */
#ifndef ALPHA_OPS_ROTARY_H
#define ALPHA_OPS_ROTARY_H

#include "common.h"

/* Work of one number: two products, and both of a pair are read and written. */
#define ROTARY_WORK 4

typedef struct {
    float *x;
    int64_t ldx;
    const int32_t *positions;
    const float *table;
    int32_t n_head, d_head, n_rotary;
    bool is_interleaved;
} rotary_job;

/* Pairs (i, i + half). */
static void turn_halves(float *x, const float *cosines, const float *sines, int32_t half) {
    for (int32_t i = 0; i < half; i += 16) {
        const int32_t lanes = half - i < 16 ? half - i : 16;
        const vf32 a = vf32_load_n(x + i, lanes), b = vf32_load_n(x + half + i, lanes);
        const vf32 cosine = vf32_load_n(cosines + i, lanes), sine = vf32_load_n(sines + i, lanes);
        const vf32 first = vf32_sub(vf32_mul(a, cosine), vf32_mul(b, sine));
        const vf32 second = vf32_add(vf32_mul(b, cosine), vf32_mul(a, sine));
        vf32_store_n(x + i, first, lanes);
        vf32_store_n(x + half + i, second, lanes);
    }
}

/* Pairs (2i, 2i + 1). */
static void turn_neighbours(float *x, const float *cosines, const float *sines, int32_t half) {
    for (int32_t i = 0; i < half; i++) {
        const float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cosines[i] - b * sines[i];
        x[2 * i + 1] = b * cosines[i] + a * sines[i];
    }
}

static void rotary_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const rotary_job *job = context;
    const int32_t half = job->n_rotary / 2;
    for (int64_t row = begin; row < end; row++) {
        const float *cosines = job->table + (int64_t)job->positions[row] * job->n_rotary;
        for (int64_t head = 0; head < job->n_head; head++) {
            float *x = job->x + row * job->ldx + head * job->d_head;
            if (job->is_interleaved)
                turn_neighbours(x, cosines, cosines + half, half);
            else
                turn_halves(x, cosines, cosines + half, half);
        }
    }
}

static kernels_rotary_fn FN(rotary);
static void FN(rotary)(float *x, int64_t ldx, const int32_t *positions, const float *table,
                       int32_t m, int32_t n_head, int32_t d_head, int32_t n_rotary,
                       int32_t is_interleaved) {
    rotary_job job = {
        .x = x,
        .ldx = ldx,
        .positions = positions,
        .table = table,
        .n_head = n_head,
        .d_head = d_head,
        .n_rotary = n_rotary,
        .is_interleaved = is_interleaved != 0,
    };
    pool_run(rotary_rows, &job, m, grain_of(ROTARY_WORK * (int64_t)n_head * n_rotary));
}

#endif
