/*
 * Attention of up to six consecutive rows of one sequence, one head at a time: what a prompt needs.
 * Its keys and values are read once for all rows.
 */
#ifndef ALPHA_OPS_ATTENTION_TILE_H
#define ALPHA_OPS_ATTENTION_TILE_H

#include "attention_job.h"

/* scores[r][0 … 16·halves-1] = q[r] · keys of one block, `vecs` halves at once. */
INLINE void score_halves(const int32_t kv_dtype, float *scores, int64_t stride, const float *q,
                         int64_t ldq, const void *keys, int32_t d_head, const int32_t rows,
                         const int32_t halves, const int32_t vecs) {
    UNROLL for (int32_t half = 0; half < halves; half += vecs) {
        vf32 acc[TILE_ROWS][2];
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t v = 0; v < vecs; v++) { acc[r][v] = vf32_zero(); }
        }
        for (int32_t c = 0; c < d_head; c++) {
            vf32 key[2];
            UNROLL for (int32_t v = 0; v < vecs; v++) {
                key[v] = kv_load(kv_dtype, keys, c * KV_BLOCK + 16 * (half + v));
            }
            UNROLL for (int32_t r = 0; r < rows; r++) {
                vf32 qr = vf32_set1(q[r * ldq + c]);
                UNROLL for (int32_t v = 0; v < vecs; v++) {
                    acc[r][v] = vf32_fma(qr, key[v], acc[r][v]);
                }
            }
        }
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t v = 0; v < vecs; v++) {
                vf32_store(scores + r * stride + 16 * (half + v), acc[r][v]);
            }
        }
    }
}

/* Scores of the first `n_tokens` keys of one block and, up to a multiple of 16, of what is behind.
 */
INLINE void score_block(const int32_t kv_dtype, float *scores, int64_t stride, const float *q,
                        int64_t ldq, const void *keys, int32_t d_head, int32_t n_tokens,
                        const int32_t rows) {
    if (n_tokens > 16)
        score_halves(kv_dtype, scores, stride, q, ldq, keys, d_head, rows, 2,
                     rows * 2 <= TILE_BUDGET ? 2 : 1);
    else
        score_halves(kv_dtype, scores, stride, q, ldq, keys, d_head, rows, 1, 1);
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
INLINE void value_edge(const int32_t kv_dtype, vf32 (*acc)[VALUE_PIECES][CHAINS],
                       const attention_job *job, const attention_tile *tile, int32_t kv_head,
                       int32_t channel, int32_t begin, int32_t end, const float *weights,
                       const bool is_in_window, const int32_t rows, const int32_t pieces,
                       const int32_t wide) {
    const int64_t d_pad = value_numbers(job->d_head);
    for (int32_t t = begin; t < end; t += CHAINS) {
        const void *values = numbers_from(
            kv_dtype, values_of(kv_dtype, job, tile->blocks[t / KV_BLOCK], kv_head), channel);
        UNROLL for (int32_t c = 0; c < wide; c++) {
            vf32 value[VALUE_PIECES];
            UNROLL for (int32_t p = 0; p < pieces; p++) {
                value[p] = kv_load(kv_dtype, values, (t % KV_BLOCK + c) * d_pad + 16 * p);
            }
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
INLINE void value_chains(const int32_t kv_dtype, float (*partial)[VALUE_PIECES][CHAINS][16],
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
        vf32 acc[TILE_ROWS][VALUE_PIECES][CHAINS];
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
                    vf32 value[VALUE_PIECES];
                    UNROLL for (int32_t p = 0; p < pieces; p++) {
                        value[p] = kv_load(kv_dtype, values, (t + c) * d_pad + 16 * p);
                    }
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
    float partial[TILE_ROWS][VALUE_PIECES][CHAINS][16];
    value_chains(kv_dtype, partial, job, tile, kv_head_of(job, head), channel, weights, rows,
                 pieces);
    for (int32_t r = 0; r < rows; r++) {
        float *out = job->out + (tile->row + r) * job->ldo + head * job->d_head + channel;
        for (int32_t p = 0; p < pieces; p++) {
            const vf32 sum = sum_chains(partial[r][p]);
            const int32_t left = job->d_head - channel - 16 * p;
            vf32_store_n(out + 16 * p, vf32_mul(sum, vf32_set1(inverse[r])), left < 16 ? left : 16);
        }
    }
}

INLINE void attend(const int32_t kv_dtype, const attention_job *job, const attention_tile *tile,
                   int32_t head, float *weights, const int32_t rows) {
    const int64_t stride = job->scratch_stride;
    const int32_t kv_head = kv_head_of(job, head);
    const float *q = job->q + tile->row * job->ldq + (int64_t)head * job->d_head;
    const int32_t last = tile->position + rows - 1;
    for (int32_t t = block_start(window_start(job, tile->position)); t <= last; t += KV_BLOCK)
        score_block(kv_dtype, weights + t, stride, q, job->ldq,
                    keys_of(kv_dtype, job, tile->blocks[t / KV_BLOCK], kv_head), job->d_head,
                    last - t + 1, rows);
    float inverse[TILE_ROWS];
    softmax_rows(job, weights, tile->position, inverse, rows);
    int32_t channel = 0;
    for (; channel + 16 * (VALUE_PIECES - 1) < job->d_head; channel += 16 * VALUE_PIECES)
        attend_values(kv_dtype, job, tile, head, channel, weights, inverse, rows, VALUE_PIECES);
    if (channel < job->d_head)
        attend_values(kv_dtype, job, tile, head, channel, weights, inverse, rows, 1);
}

#endif
