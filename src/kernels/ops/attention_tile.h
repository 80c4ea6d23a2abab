/*
 * Attention of up to six consecutive rows of one sequence, one head at a time: what a prompt needs.
 * Its keys and values are read once for all rows.
 */
#ifndef ALPHA_OPS_ATTENTION_TILE_H
#define ALPHA_OPS_ATTENTION_TILE_H

#include "attention_job.h"

/* Vectors of 16 tokens whose scores are computed together: two blocks, or less where fewer sums
 * stay in registers. */
#define SCORE_VECS(rows) TILE_VECS(rows, TILE_BUDGET)
/* Pieces of 16 channels whose values are summed together, where so many sums stay in registers:
 * then each chain is a matrix product. */
#define TILE_PIECES 4
#define HAS_TILE_PIECES (TILE_BUDGET >= TILE_PIECES * TILE_ROWS)

/* scores[r][0 … 16·vecs-1] = q[r] · keys of up to two blocks; those of the first begin at keys[0];
 * keys[1] is read only if vecs > 2. */
INLINE void score_vecs(const int32_t kv_dtype, float *scores, int64_t stride, const float *q,
                       int64_t ldq, const void *const *keys, int32_t d_head, const int32_t rows,
                       const int32_t vecs) {
    const int32_t first_vecs = vecs < 2 ? vecs : 2;
    vf32 acc[TILE_ROWS][4];
    UNROLL for (int32_t r = 0; r < rows; r++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) { acc[r][v] = vf32_zero(); }
    }
    for (int32_t c = 0; c < d_head; c++) {
        vf32 key[4];
        kv_load_vecs(kv_dtype, keys[0], c * KV_BLOCK, key, first_vecs);
        kv_load_vecs(kv_dtype, keys[1], c * KV_BLOCK, key + 2, vecs - first_vecs);
        UNROLL for (int32_t r = 0; r < rows; r++) {
            vf32 qr = vf32_set1(q[r * ldq + c]);
            UNROLL for (int32_t v = 0; v < vecs; v++) {
                acc[r][v] = vf32_fma(qr, key[v], acc[r][v]);
            }
        }
    }
    UNROLL for (int32_t r = 0; r < rows; r++) {
        kv_vecs_in_order(kv_dtype, acc[r], vecs);
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            vf32_store(scores + r * stride + 16 * v, acc[r][v]);
        }
    }
}

/* Scores of the tile's rows with all keys that any of them attends to and, up to whole vectors,
 * with what lies around these. */
INLINE void attend_keys(const int32_t kv_dtype, const attention_job *job,
                        const attention_tile *tile, int32_t head, float *scores,
                        const int32_t rows) {
    const int64_t stride = job->scratch_stride;
    const float *q = job->q + tile->row * job->ldq + (int64_t)head * job->d_head;
    const int32_t kv_head = kv_head_of(job, head), last = tile->position + rows - 1;
    int32_t vecs;
    for (int32_t t = block_start(window_start(job, tile->position)); t <= last; t += 16 * vecs) {
        const int32_t left = (last - t) / 16 + 1, block = t / KV_BLOCK;
        vecs = left < SCORE_VECS(rows) ? left : SCORE_VECS(rows);
        const void *keys[2] = {numbers_from(
            kv_dtype, keys_of(kv_dtype, job, tile->blocks[block], kv_head), t % KV_BLOCK)};
        if (vecs > 2)
            keys[1] = keys_of(kv_dtype, job, tile->blocks[block + 1], kv_head);
#define VECS_CASE(n)                                                                               \
    case n:                                                                                        \
        if (n <= SCORE_VECS(rows))                                                                 \
            score_vecs(kv_dtype, scores + t, stride, q, job->ldq, keys, job->d_head, rows, n);     \
        break;
        switch (vecs) {
            VECS_CASE(1)
            VECS_CASE(2)
            VECS_CASE(3)
            VECS_CASE(4)
        }
#undef VECS_CASE
    }
}

/* The 16 scores from position t on that a row attends to; the lowest number in place of the others.
 */
INLINE vf32 own_scores(const attention_job *job, vf32 scores, int32_t t, int32_t position) {
    const vf32 lowest = vf32_set1(-INFINITY);
    const int32_t behind = position - t + 1, before = window_start(job, position) - t;
    scores = vf32_select(vmask_first(behind < 0 ? 0 : behind > 16 ? 16 : behind), scores, lowest);
    return vf32_select(vmask_first(before < 0 ? 0 : before > 16 ? 16 : before), lowest, scores);
}

/* softmax_row for consecutive rows: side by side, since each chain of operations is long and a row
 * is short. Vectors that are not a row's own count as nothing in its maximum and sum. */
INLINE void softmax_rows(const attention_job *job, float *scores, int32_t position, float *inverse,
                         const int32_t rows) {
    const float factor = job->soft_cap > 0 ? job->scale / job->soft_cap : job->scale;
    const vf32 scale = vf32_set1(factor), cap = vf32_set1(job->soft_cap);
    const int64_t stride = job->scratch_stride;
    const int32_t last_row = position + rows - 1;
    const int32_t first = window_start(job, position) / 16 * 16, last = last_row / 16 * 16;
    /* From here to there every vector belongs to all rows. */
    const int32_t shared = (window_start(job, last_row) + 15) / 16 * 16;
    const int32_t shared_end = (position + 1) / 16 * 16;
    vf32 largest[TILE_ROWS], sum[TILE_ROWS];
    UNROLL for (int32_t r = 0; r < rows; r++) {
        largest[r] = vf32_set1(-INFINITY);
        sum[r] = vf32_zero();
    }
    for (int32_t t = first; t <= last; t += 16) {
        const bool is_shared = t >= shared && t < shared_end;
        UNROLL for (int32_t r = 0; r < rows; r++) {
            vf32 s = vf32_mul(vf32_load(scores + r * stride + t), scale);
            if (job->soft_cap > 0)
                s = vf32_mul(cap, vf32_tanh(s));
            if (!is_shared)
                s = own_scores(job, s, t, position + r);
            vf32_store(scores + r * stride + t, s);
            largest[r] = vf32_max(s, largest[r]);
        }
    }
    UNROLL for (int32_t r = 0; r < rows; r++) { largest[r] = vf32_set1(vf32_max_of(largest[r])); }
    for (int32_t t = first; t <= last; t += 16) {
        UNROLL for (int32_t r = 0; r < rows; r++) {
            const vf32 s = vf32_load(scores + r * stride + t);
            const vf32 weight = vf32_exp_falling(vf32_sub(s, largest[r]));
            vf32_store(scores + r * stride + t, weight);
            sum[r] = vf32_add(sum[r], weight);
        }
    }
    UNROLL for (int32_t r = 0; r < rows; r++) { inverse[r] = 1.0f / vf32_sum(sum[r]); }
}

/* Chains of `pieces` × 16 value channels over positions begin … end - 1, of which each row takes
 * its own. Where they cannot lie before a window, is_in_window says so. */
INLINE void value_edge(const int32_t kv_dtype, vf32 (*acc)[TILE_PIECES][CHAINS],
                       const attention_job *job, const attention_tile *tile, int32_t kv_head,
                       int32_t channel, int32_t begin, int32_t end, const float *weights,
                       const bool is_in_window, const int32_t rows, const int32_t pieces,
                       const int32_t wide) {
    const int64_t d_pad = value_numbers(job->d_head);
    for (int32_t t = begin; t < end; t += CHAINS) {
        const void *values = numbers_from(
            kv_dtype, values_of(kv_dtype, job, tile->blocks[t / KV_BLOCK], kv_head), channel);
        UNROLL for (int32_t c = 0; c < wide; c++) {
            vf32 value[TILE_PIECES];
            kv_load_vecs(kv_dtype, values, (t % KV_BLOCK + c) * d_pad, value, pieces);
            UNROLL for (int32_t r = 0; r < rows; r++) {
                const int32_t own = tile->position + r;
                if (t + c <= own && (is_in_window || t + c >= window_start(job, own))) {
                    const vf32 w = vf32_set1(weights[r * job->scratch_stride + t + c]);
                    UNROLL for (int32_t p = 0; p < pieces; p++) {
                        acc[r][p][c] = vf32_fma(w, value[p], acc[r][p][c]);
                    }
                }
            }
        }
    }
}

/*
 * Chains of `pieces` × 16 value channels, all rows together: partial[r][piece][chain]. Positions
 * from `shared` to `shared_end` belong to every row, those around them only to some. As many chains
 * run side by side as fit into registers; pieces come first, since they share a row's weight.
 */
INLINE void value_chains(const int32_t kv_dtype, float (*partial)[TILE_PIECES][CHAINS][16],
                         const attention_job *job, const attention_tile *tile, int32_t kv_head,
                         int32_t channel, const float *weights, const int32_t rows,
                         const int32_t pieces) {
    const int32_t wide = TILE_VECS(rows * pieces, TILE_BUDGET);
    const int32_t n = tile->position + rows;
    const int32_t begin = window_start(job, tile->position) / CHAINS * CHAINS;
    int32_t shared = (window_start(job, n - 1) + CHAINS - 1) / CHAINS * CHAINS;
    int32_t shared_end = (tile->position + 1) / CHAINS * CHAINS;
    /* A window so small that the rows share nothing. */
    if (shared > shared_end)
        shared = shared_end = (n + CHAINS - 1) / CHAINS * CHAINS;
    const int64_t d_pad = value_numbers(job->d_head);
    for (int32_t chain = 0; chain < CHAINS; chain += wide) {
        vf32 acc[TILE_ROWS][TILE_PIECES][CHAINS];
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t p = 0; p < pieces; p++) {
                UNROLL for (int32_t c = 0; c < wide; c++) { acc[r][p][c] = vf32_zero(); }
            }
        }
        value_edge(kv_dtype, acc, job, tile, kv_head, channel, begin + chain, shared, weights,
                   false, rows, pieces, wide);
        for (int32_t start = block_start(shared); start < shared_end; start += KV_BLOCK) {
            const int32_t left = shared_end - start, count = left < KV_BLOCK ? left : KV_BLOCK;
            const void *values = numbers_from(
                kv_dtype, values_of(kv_dtype, job, tile->blocks[start / KV_BLOCK], kv_head),
                channel);
            const int32_t first = start < shared ? shared - start : 0;
            for (int32_t t = first + chain; t < count; t += CHAINS) {
                UNROLL for (int32_t c = 0; c < wide; c++) {
                    vf32 value[TILE_PIECES];
                    kv_load_vecs(kv_dtype, values, (t + c) * d_pad, value, pieces);
                    UNROLL for (int32_t r = 0; r < rows; r++) {
                        vf32 w = vf32_set1(weights[r * job->scratch_stride + start + t + c]);
                        UNROLL for (int32_t p = 0; p < pieces; p++) {
                            acc[r][p][c] = vf32_fma(w, value[p], acc[r][p][c]);
                        }
                    }
                }
            }
        }
        value_edge(kv_dtype, acc, job, tile, kv_head, channel, shared_end + chain, n, weights, true,
                   rows, pieces, wide);
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t p = 0; p < pieces; p++) {
                UNROLL for (int32_t c = 0; c < wide; c++) {
                    vf32_store(partial[r][p][chain + c], acc[r][p][c]);
                }
            }
        }
    }
}

/* Values of `pieces` × 16 channels, weighted and summed, into the rows' outputs. */
INLINE void attend_values(const int32_t kv_dtype, const attention_job *job,
                          const attention_tile *tile, int32_t head, int32_t channel,
                          const float *weights, const float *inverse, const int32_t rows,
                          const int32_t pieces) {
    float partial[TILE_ROWS][TILE_PIECES][CHAINS][16];
    value_chains(kv_dtype, partial, job, tile, kv_head_of(job, head), channel, weights, rows,
                 pieces);
    for (int32_t r = 0; r < rows; r++) {
        float *out = job->out + (tile->row + r) * job->ldo + head * job->d_head + channel;
        vf32 sum[TILE_PIECES];
        UNROLL for (int32_t p = 0; p < pieces; p++) {
            sum[p] = vf32_mul(sum_chains(partial[r][p]), vf32_set1(inverse[r]));
        }
        kv_vecs_in_order(kv_dtype, sum, pieces);
        UNROLL for (int32_t p = 0; p < pieces; p++) {
            const int32_t left = job->d_head - channel - 16 * p;
            vf32_store_n(out + 16 * p, sum[p], left < 16 ? left : 16);
        }
    }
}

INLINE void attend(const int32_t kv_dtype, const attention_job *job, const attention_tile *tile,
                   int32_t head, float *weights, const int32_t rows) {
    attend_keys(kv_dtype, job, tile, head, weights, rows);
    float inverse[TILE_ROWS];
    softmax_rows(job, weights, tile->position, inverse, rows);
    for (int32_t channel = 0; channel < job->d_head;) {
        const int32_t left = (job->d_head - channel + 15) / 16;
        const int32_t pieces = left == 1 || !HAS_TILE_PIECES ? 1 : left < 4 ? 2 : 4;
        switch (pieces) {
        case 4:
            attend_values(kv_dtype, job, tile, head, channel, weights, inverse, rows, 4);
            break;
        case 2:
            attend_values(kv_dtype, job, tile, head, channel, weights, inverse, rows, 2);
            break;
        default:
            attend_values(kv_dtype, job, tile, head, channel, weights, inverse, rows, 1);
        }
        channel += 16 * pieces;
    }
}

#endif
