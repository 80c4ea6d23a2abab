/*
 * Attention of up to six consecutive rows of one sequence, one head at a time: what a prompt needs.
 * Its keys and values are read once for all rows.
 */
#ifndef ALPHA_OPS_ATTENTION_TILE_H
#define ALPHA_OPS_ATTENTION_TILE_H

#include "attention_job.h"

#define D_HEAD_PIECE 16

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

/* Chains of 16 value channels over positions begin … end - 1, of which each row takes its own.
 * Where they cannot lie before a window, is_in_window says so. */
INLINE void value_edge(const int32_t kv_dtype, vf32 (*acc)[CHAINS], const attention_job *job,
                       const attention_tile *tile, int32_t kv_head, int32_t channel, int32_t begin,
                       int32_t end, const float *weights, const bool is_in_window,
                       const int32_t rows, const int32_t wide) {
    const int64_t d_pad = value_numbers(job->d_head);
    for (int32_t t = begin; t < end; t += CHAINS) {
        const void *values = numbers_from(
            kv_dtype, values_of(kv_dtype, job, tile->blocks[t / KV_BLOCK], kv_head), channel);
        UNROLL for (int32_t c = 0; c < wide; c++) {
            const vf32 value = kv_load(kv_dtype, values, (t % KV_BLOCK + c) * d_pad);
            UNROLL for (int32_t r = 0; r < rows; r++) {
                const int32_t own = tile->position + r;
                if (t + c <= own && (is_in_window || t + c >= window_start(job, own)))
                    acc[r][c] = vf32_fma(vf32_set1(weights[r * job->scratch_stride + t + c]), value,
                                         acc[r][c]);
            }
        }
    }
}

/*
 * Chains of 16 value channels, all rows together: partial[r][chain]. Positions from `shared` to
 * `shared_end` belong to every row, those around them only to some. `wide` chains run side by side,
 * as many as fit into registers.
 */
INLINE void value_chains(const int32_t kv_dtype, float (*partial)[CHAINS][16],
                         const attention_job *job, const attention_tile *tile, int32_t kv_head,
                         int32_t channel, const float *weights, const int32_t rows,
                         const int32_t wide) {
    const int32_t n = tile->position + rows;
    const int32_t begin = window_start(job, tile->position) / CHAINS * CHAINS;
    int32_t shared = (window_start(job, n - 1) + CHAINS - 1) / CHAINS * CHAINS;
    int32_t shared_end = (tile->position + 1) / CHAINS * CHAINS;
    /* A window so small that the rows share nothing. */
    if (shared > shared_end)
        shared = shared_end = (n + CHAINS - 1) / CHAINS * CHAINS;
    const int64_t d_pad = value_numbers(job->d_head);
    for (int32_t chain = 0; chain < CHAINS; chain += wide) {
        vf32 acc[TILE_ROWS][CHAINS];
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t c = 0; c < wide; c++) { acc[r][c] = vf32_zero(); }
        }
        value_edge(kv_dtype, acc, job, tile, kv_head, channel, begin + chain, shared, weights,
                   false, rows, wide);
        for (int32_t start = block_start(shared); start < shared_end; start += KV_BLOCK) {
            const int32_t left = shared_end - start, count = left < KV_BLOCK ? left : KV_BLOCK;
            const void *values = numbers_from(
                kv_dtype, values_of(kv_dtype, job, tile->blocks[start / KV_BLOCK], kv_head),
                channel);
            const int32_t first = start < shared ? shared - start : 0;
            for (int32_t t = first + chain; t < count; t += CHAINS) {
                UNROLL for (int32_t c = 0; c < wide; c++) {
                    vf32 value = kv_load(kv_dtype, values, (t + c) * d_pad);
                    UNROLL for (int32_t r = 0; r < rows; r++) {
                        vf32 w = vf32_set1(weights[r * job->scratch_stride + start + t + c]);
                        acc[r][c] = vf32_fma(w, value, acc[r][c]);
                    }
                }
            }
        }
        value_edge(kv_dtype, acc, job, tile, kv_head, channel, shared_end + chain, n, weights, true,
                   rows, wide);
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t c = 0; c < wide; c++) {
                vf32_store(partial[r][chain + c], acc[r][c]);
            }
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
    for (int32_t r = 0; r < rows; r++)
        inverse[r] = softmax_row(job, weights + r * stride, tile->position + r);
    for (int32_t channel = 0; channel < job->d_head; channel += D_HEAD_PIECE) {
        float partial[TILE_ROWS][CHAINS][16];
        value_chains(kv_dtype, partial, job, tile, kv_head, channel, weights, rows,
                     TILE_VECS(rows, TILE_BUDGET));
        for (int32_t r = 0; r < rows; r++) {
            vf32 sum = sum_chains(partial[r]);
            float *out = job->out + (tile->row + r) * job->ldo + head * job->d_head + channel;
            int32_t lanes = job->d_head - channel < 16 ? job->d_head - channel : 16;
            vf32_store_n(out, vf32_mul(sum, vf32_set1(inverse[r])), lanes);
        }
    }
}

#endif
