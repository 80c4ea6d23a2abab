/*
 * Attention of one row, up to HEADS_PER_PASS heads: what a decoding sequence needs. Its keys and
 * values are read once and seldom fit into a cache, so they are read as they lie in memory, the
 * heads of a block side by side (25 GB/s instead of 15 head by head on the machine of
 * test/bench/LOG.md).
 */
#ifndef ALPHA_OPS_ATTENTION_ROW_H
#define ALPHA_OPS_ATTENTION_ROW_H

#include "attention_job.h"

/* Channels of a head whose chains one row keeps at a time. */
#define CHANNELS_PER_PASS 64

/* Heads of one row whose scores are computed together, and 16-channel pieces of their values:
 * enough chains to hide the latency of a multiply-add. */
#define SCORE_HEADS (TILE_BUDGET >= 24 ? 4 : 2)
#define VALUE_PIECES (TILE_BUDGET >= 24 ? 2 : 1)

/*
 * scores[h][0 … 16·vecs-1] = q[h] · keys[h] for one row and one block. Meanwhile the block's
 * values, `n_ahead` times 32 floats per head, are fetched, which lie too far off for the processor
 * to see.
 */
INLINE void score_heads(float *scores, int64_t stride, const float *q, const float *keys,
                        const float *values, int64_t d_pad, int32_t n_ahead, int32_t d_head,
                        const int32_t heads, const int32_t vecs) {
    vf32 acc[4][2];
    UNROLL for (int32_t h = 0; h < heads; h++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) { acc[h][v] = vf32_zero(); }
    }
    for (int32_t c = 0; c < d_head; c++) {
        UNROLL for (int32_t h = 0; h < heads; h++) {
            const float *key = keys + (h * d_head + c) * KV_BLOCK;
            const vf32 qh = vf32_set1(q[h * d_head + c]);
            UNROLL for (int32_t v = 0; v < vecs; v++) {
                acc[h][v] = vf32_fma(qh, vf32_load(key + 16 * v), acc[h][v]);
            }
        }
        if (c < n_ahead) {
            UNROLL for (int32_t h = 0; h < heads; h++) {
                const float *value = values + h * KV_BLOCK * d_pad + c * 32;
                __builtin_prefetch(value);
                __builtin_prefetch(value + 16);
            }
        }
    }
    UNROLL for (int32_t h = 0; h < heads; h++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            vf32_store(scores + h * stride + 16 * v, acc[h][v]);
        }
    }
}

/* Chains of `pieces` times 16 channels over the first `count` values of one block, which is the
 * first of all or continues what the chains hold. */
INLINE void value_block(float (*chains)[CHAINS][16], const float *values, int64_t d_pad,
                        const float *weights, int32_t count, int32_t is_first,
                        const int32_t pieces) {
    vf32 acc[2][CHAINS];
    UNROLL for (int32_t p = 0; p < pieces; p++) {
        UNROLL for (int32_t c = 0; c < CHAINS; c++) {
            acc[p][c] = is_first ? vf32_zero() : vf32_load(chains[p][c]);
        }
    }
    const int32_t whole = count / CHAINS * CHAINS;
    for (int32_t t = 0; t < whole; t += CHAINS) {
        UNROLL for (int32_t c = 0; c < CHAINS; c++) {
            const vf32 w = vf32_set1(weights[t + c]);
            UNROLL for (int32_t p = 0; p < pieces; p++) {
                acc[p][c] = vf32_fma(w, vf32_load(values + (t + c) * d_pad + 16 * p), acc[p][c]);
            }
        }
    }
    UNROLL for (int32_t c = 0; c < CHAINS; c++) {
        if (whole + c < count) {
            const vf32 w = vf32_set1(weights[whole + c]);
            UNROLL for (int32_t p = 0; p < pieces; p++) {
                acc[p][c] =
                    vf32_fma(w, vf32_load(values + (whole + c) * d_pad + 16 * p), acc[p][c]);
            }
        }
    }
    UNROLL for (int32_t p = 0; p < pieces; p++) {
        UNROLL for (int32_t c = 0; c < CHAINS; c++) { vf32_store(chains[p][c], acc[p][c]); }
    }
}

/* Scores of one row against one block, all heads of a pass. */
INLINE void score_row_block(const attention_job *job, const attention_tile *tile,
                            int32_t first_head, int32_t n_heads, int32_t start, int32_t count,
                            float *weights, const int32_t vecs) {
    const int32_t d_head = job->d_head, block = tile->blocks[start / KV_BLOCK];
    const int64_t stride = job->scratch_stride, d_pad = value_floats(d_head);
    const int32_t n_ahead = (int32_t)(count * d_pad / 32);
    for (int32_t h = 0; h < n_heads;) {
        const int32_t head = first_head + h;
        const float *q = job->qkv + tile->row * job->ldq + (int64_t)head * d_head;
        const float *keys = keys_of(job, block, head), *values = values_of(job, block, head);
        float *scores = weights + h * stride + start;
        if (n_heads - h >= SCORE_HEADS) {
            score_heads(scores, stride, q, keys, values, d_pad, n_ahead, d_head, SCORE_HEADS, vecs);
            h += SCORE_HEADS;
        } else {
            score_heads(scores, stride, q, keys, values, d_pad, n_ahead, d_head, 1, vecs);
            h++;
        }
    }
}

static void attend_row(const attention_job *job, const attention_tile *tile, int32_t first_head,
                       int32_t n_heads, float *weights) {
    const int32_t d_head = job->d_head, n = tile->position + 1;
    const int64_t stride = job->scratch_stride, d_pad = value_floats(d_head);
    float *out = job->out + tile->row * job->ldo + (int64_t)first_head * d_head;
    for (int32_t t = 0; t < n; t += KV_BLOCK) {
        const int32_t count = n - t < KV_BLOCK ? n - t : KV_BLOCK;
        if (count > 16)
            score_row_block(job, tile, first_head, n_heads, t, count, weights, 2);
        else
            score_row_block(job, tile, first_head, n_heads, t, count, weights, 1);
    }
    float inverse[HEADS_PER_PASS];
    for (int32_t h = 0; h < n_heads; h++)
        inverse[h] = softmax_row(job, weights + h * stride, tile->position);
    for (int32_t first = 0; first < d_head; first += CHANNELS_PER_PASS) {
        float chains[HEADS_PER_PASS][CHANNELS_PER_PASS / 16][CHAINS][16];
        const int32_t end = d_head < first + CHANNELS_PER_PASS ? d_head : first + CHANNELS_PER_PASS;
        for (int32_t t = 0; t < n; t += KV_BLOCK) {
            const float *values = values_of(job, tile->blocks[t / KV_BLOCK], first_head);
            const int32_t count = n - t < KV_BLOCK ? n - t : KV_BLOCK;
            for (int32_t h = 0; h < n_heads; h++) {
                for (int32_t c = first; c < end;) {
                    float(*piece)[CHAINS][16] = chains[h] + (c - first) / 16;
                    const float *from = values + h * KV_BLOCK * d_pad + c;
                    if (end - c > 16 * (VALUE_PIECES - 1)) {
                        value_block(piece, from, d_pad, weights + h * stride + t, count, t == 0,
                                    VALUE_PIECES);
                        c += 16 * VALUE_PIECES;
                    } else {
                        value_block(piece, from, d_pad, weights + h * stride + t, count, t == 0, 1);
                        c += 16;
                    }
                }
            }
        }
        for (int32_t h = 0; h < n_heads; h++) {
            for (int32_t c = first; c < end; c += 16) {
                vf32 sum = sum_chains(chains[h][(c - first) / 16]);
                vf32_store_n(out + h * d_head + c, vf32_mul(sum, vf32_set1(inverse[h])),
                             d_head - c < 16 ? d_head - c : 16);
            }
        }
    }
}

#endif
