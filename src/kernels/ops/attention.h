/* Attention of all rows of a step: cuts the spans into heads × tiles and hands them to the pool. */
#ifndef ALPHA_OPS_ATTENTION_H
#define ALPHA_OPS_ATTENTION_H

#include "attention_row.h"
#include "attention_tile.h"

static kernels_attention_fn FN(attention);

typedef void attend_row_fn(const attention_job *job, const attention_tile *tile, int32_t first_head,
                           int32_t n_heads, float *weights);

static void attend_row_f32(const attention_job *job, const attention_tile *tile, int32_t first_head,
                           int32_t n_heads, float *weights) {
    attend_row(KERNELS_DTYPE_F32, job, tile, first_head, n_heads, weights);
}

static void attend_row_bf16(const attention_job *job, const attention_tile *tile,
                            int32_t first_head, int32_t n_heads, float *weights) {
    attend_row(KERNELS_DTYPE_BF16, job, tile, first_head, n_heads, weights);
}

static inline int64_t units_of(const attention_job *job, const kernels_span *span) {
    return (int64_t)tiles_of(span->n_rows) * job->n_head;
}

/* Units: of all spans in order, heads × tiles: the keys and values of a head stay in the cache
 * while the tiles of a prompt meet them. */
INLINE void attend_units(const int32_t kv_dtype, attend_row_fn *one_row, const void *context,
                         int64_t begin, int64_t end, int32_t thread) {
    const attention_job *job = context;
    const kernels_span *span = job->spans;
    int64_t index = begin; /* of the span's units */
    while (index >= units_of(job, span))
        index -= units_of(job, span++);
    float *weights = job->scratch + thread * HEADS_PER_PASS * job->scratch_stride;
    for (int64_t unit = begin; unit < end;) {
        const int32_t n_tiles = tiles_of(span->n_rows);
        const int32_t head = (int32_t)(index / n_tiles);
        const int32_t first = (int32_t)(index % n_tiles) * TILE_ROWS;
        attention_tile tile = {
            .row = span->first_row + first,
            .n_rows = span->n_rows - first < TILE_ROWS ? span->n_rows - first : TILE_ROWS,
            .position = span->position + first,
            .blocks = job->tables + span->table,
        };
        int32_t n_heads = 1;
        if (tile.n_rows > 1) {
            BY_ROWS(tile.n_rows, attend(kv_dtype, job, &tile, head, weights, ROWS));
        } else {
            /* The next units are the next heads of the row where it is alone. */
            if (n_tiles == 1) {
                n_heads = job->n_head - head < HEADS_PER_PASS ? job->n_head - head : HEADS_PER_PASS;
                n_heads = end - unit < n_heads ? (int32_t)(end - unit) : n_heads;
            }
            one_row(job, &tile, head, n_heads, weights);
        }
        unit += n_heads;
        index += n_heads;
        while (unit < end && index >= units_of(job, span))
            index -= units_of(job, span++);
    }
}

static void attend_units_f32(const void *context, int64_t begin, int64_t end, int32_t thread) {
    attend_units(KERNELS_DTYPE_F32, attend_row_f32, context, begin, end, thread);
}

static void attend_units_bf16(const void *context, int64_t begin, int64_t end, int32_t thread) {
    attend_units(KERNELS_DTYPE_BF16, attend_row_bf16, context, begin, end, thread);
}

/* A score costs more than its multiply-adds: exponentials, and values that are read once. */
#define SCORE_WORK 4

static void FN(attention)(float *out, int64_t ldo, const float *q, int64_t ldq, int32_t kv_dtype,
                          const void *kv, int64_t block_stride, const kernels_span *spans,
                          int32_t n_spans, const int32_t *tables, int32_t n_head, int32_t n_kv_head,
                          int32_t d_head, int32_t window, float scale, float soft_cap,
                          void *scratch) {
    attention_job job = {
        .out = out,
        .ldo = ldo,
        .q = q,
        .ldq = ldq,
        .kv = kv,
        .block_stride = block_stride,
        .spans = spans,
        .tables = tables,
        .n_head = n_head,
        .n_kv_head = n_kv_head,
        .group = n_head / n_kv_head,
        .d_head = d_head,
        .window = window,
        .scale = scale,
        .soft_cap = soft_cap,
        .scratch = scratch,
    };
    int64_t n_tiles = 0, positions = 0;
    int32_t longest = 0;
    for (int32_t i = 0; i < n_spans; i++) {
        const kernels_span *span = spans + i;
        n_tiles += tiles_of(span->n_rows);
        const int32_t context = span->position + span->n_rows;
        positions += (int64_t)span->n_rows * (context - window_start(&job, span->position));
        longest = context > longest ? context : longest;
    }
    job.scratch_stride = round_up(longest, KV_BLOCK);
    int64_t n_units = n_tiles * n_head;
    int64_t work = SCORE_WORK * positions * n_head * d_head * 2;
    /* The heads of a row stay together, unless there are fewer rows than threads. */
    int64_t share = (n_units + pool_threads() - 1) / pool_threads();
    int64_t grain = share < n_head ? share : n_head;
    pool_run(kv_dtype == KERNELS_DTYPE_F32 ? attend_units_f32 : attend_units_bf16, &job, n_units,
             grain_unless_small(grain, n_units, work));
}

#endif
