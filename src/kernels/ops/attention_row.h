/*
 * Attention of one row, up to HEADS_PER_PASS heads: what a decoding sequence needs. Its keys and
 * values are read once and seldom fit into a cache, so they are read as they lie in memory, the
 * heads of a block side by side (25 GB/s instead of 15 head by head on the machine of
 * test/bench/LOG.md). Heads that share keys and values take them from registers together.
 */
#ifndef ALPHA_OPS_ATTENTION_ROW_H
#define ALPHA_OPS_ATTENTION_ROW_H

#include "attention_job.h"

/* Channels of a head whose chains one row keeps at a time. */
#define CHANNELS_PER_PASS 64
typedef float head_chains[CHANNELS_PER_PASS / 16][CHAINS][16];

/* Heads with keys of their own whose scores are computed together: enough chains to hide the
 * latency of a multiply-add. */
#define SCORE_HEADS (TILE_BUDGET >= 24 ? 4 : 2)
/* Heads with the same keys, and with the same values, whose sums stay in registers. */
#define SHARED_KEY_HEADS (TILE_BUDGET / 2 < TILE_ROWS ? TILE_BUDGET / 2 : TILE_ROWS)
#define SHARED_VALUE_HEADS (TILE_BUDGET / CHAINS)
/* 16-channel pieces of values that are summed together: enough chains to hide the latency of a
 * multiply-add, and weights that are fetched half as often. */
#define VALUE_PIECES (TILE_BUDGET >= 24 ? 2 : 1)

/* What is fetched ahead in one go: two lines. */
#define AHEAD_BYTES (2 * LINE_BYTES)

/* Heads from `head` on that read the same keys and values, at most `max`. */
static inline int32_t heads_sharing(const attention_job *job, int32_t head, int32_t max) {
    if (job->group == 1)
        return 1;
    const int32_t left = job->group - head % job->group;
    return left < max ? left : max;
}

/*
 * scores[h][0 … 16·vecs-1] = q[h] · keys for one row and one block; the heads have keys of their
 * own, one behind the other, or share them. Meanwhile the block's values, `n_ahead` times
 * AHEAD_BYTES per head, are fetched, which lie too far off for the processor to see.
 */
INLINE void score_heads(const int32_t kv_dtype, float *scores, int64_t stride, const float *q,
                        const void *keys, const void *values, int64_t d_pad, int32_t n_ahead,
                        int32_t d_head, const int32_t heads, const bool are_shared,
                        const int32_t vecs) {
    vf32 acc[TILE_ROWS][2];
    UNROLL for (int32_t h = 0; h < heads; h++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) { acc[h][v] = vf32_zero(); }
    }
    const int32_t kv_heads = are_shared ? 1 : heads;
    for (int32_t c = 0; c < d_head; c++) {
        UNROLL for (int32_t h = 0; h < heads; h++) {
            const void *key =
                numbers_from(kv_dtype, keys, ((are_shared ? 0 : h * d_head) + c) * KV_BLOCK);
            const vf32 qh = vf32_set1(q[h * d_head + c]);
            UNROLL for (int32_t v = 0; v < vecs; v++) {
                acc[h][v] = vf32_fma(qh, kv_load(kv_dtype, key, 16 * v), acc[h][v]);
            }
        }
        if (c < n_ahead) {
            UNROLL for (int32_t h = 0; h < kv_heads; h++) {
                const char *line = (const char *)values +
                                   h * KV_BLOCK * d_pad * kv_number_bytes(kv_dtype) +
                                   c * AHEAD_BYTES;
                __builtin_prefetch(line);
                __builtin_prefetch(line + LINE_BYTES);
            }
        }
    }
    UNROLL for (int32_t h = 0; h < heads; h++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            vf32_store(scores + h * stride + 16 * v, acc[h][v]);
        }
    }
}

/* Scores of one row against one block, all heads of a pass. */
INLINE void score_row_block(const int32_t kv_dtype, const attention_job *job,
                            const attention_tile *tile, int32_t first_head, int32_t n_heads,
                            int32_t start, int32_t count, float *weights, const int32_t vecs) {
    const int32_t d_head = job->d_head, block = tile->blocks[start / KV_BLOCK];
    const int64_t stride = job->scratch_stride, d_pad = value_numbers(d_head);
    const int32_t n_ahead = (int32_t)(count * d_pad * kv_number_bytes(kv_dtype) / AHEAD_BYTES);
    for (int32_t h = 0; h < n_heads;) {
        const int32_t head = first_head + h, left = n_heads - h, kv_head = kv_head_of(job, head);
        const float *q = job->q + tile->row * job->ldq + (int64_t)head * d_head;
        const void *keys = keys_of(kv_dtype, job, block, kv_head);
        const void *values = values_of(kv_dtype, job, block, kv_head);
        float *scores = weights + h * stride + start;
        int32_t taken = 1;
        if (job->group > 1) {
            taken = heads_sharing(job, head, left < SHARED_KEY_HEADS ? left : SHARED_KEY_HEADS);
            BY_ROWS(taken, score_heads(kv_dtype, scores, stride, q, keys, values, d_pad, n_ahead,
                                       d_head, ROWS, true, vecs));
        } else if (left >= SCORE_HEADS) {
            taken = SCORE_HEADS;
            score_heads(kv_dtype, scores, stride, q, keys, values, d_pad, n_ahead, d_head,
                        SCORE_HEADS, false, vecs);
        } else {
            score_heads(kv_dtype, scores, stride, q, keys, values, d_pad, n_ahead, d_head, 1, false,
                        vecs);
        }
        h += taken;
    }
}

/* Positions of one block that a row attends to. */
typedef struct {
    int32_t begin, end;
    bool is_first; /* of the row's blocks: the chains begin here */
} block_part;

/* Adds a group of CHAINS positions to the chains, those of the block's part only. */
INLINE void value_step(const int32_t kv_dtype, vf32 (*acc)[2][CHAINS], const void *values,
                       int64_t d_pad, const float *weights, int64_t stride, int32_t t,
                       const block_part part, const bool is_whole, const int32_t heads,
                       const int32_t pieces) {
    UNROLL for (int32_t c = 0; c < CHAINS; c++) {
        if (is_whole || (t + c >= part.begin && t + c < part.end)) {
            UNROLL for (int32_t p = 0; p < pieces; p++) {
                const vf32 value = kv_load(kv_dtype, values, (t + c) * d_pad + 16 * p);
                UNROLL for (int32_t h = 0; h < heads; h++) {
                    const vf32 w = vf32_set1(weights[h * stride + t + c]);
                    acc[h][p][c] = vf32_fma(w, value, acc[h][p][c]);
                }
            }
        }
    }
}

/* Chains of `pieces` times 16 channels over one block's values, for heads that share them. */
INLINE void value_block(const int32_t kv_dtype, head_chains *chains, int32_t piece,
                        const void *values, int64_t d_pad, const float *weights, int64_t stride,
                        const block_part part, const int32_t heads, const int32_t pieces) {
    vf32 acc[TILE_ROWS][2][CHAINS];
    UNROLL for (int32_t h = 0; h < heads; h++) {
        UNROLL for (int32_t p = 0; p < pieces; p++) {
            UNROLL for (int32_t c = 0; c < CHAINS; c++) {
                acc[h][p][c] = part.is_first ? vf32_zero() : vf32_load(chains[h][piece + p][c]);
            }
        }
    }
    int32_t t = part.begin / CHAINS * CHAINS;
    if (t < part.begin) {
        value_step(kv_dtype, acc, values, d_pad, weights, stride, t, part, false, heads, pieces);
        t += CHAINS;
    }
    for (; t + CHAINS <= part.end; t += CHAINS)
        value_step(kv_dtype, acc, values, d_pad, weights, stride, t, part, true, heads, pieces);
    if (t < part.end)
        value_step(kv_dtype, acc, values, d_pad, weights, stride, t, part, false, heads, pieces);
    UNROLL for (int32_t h = 0; h < heads; h++) {
        UNROLL for (int32_t p = 0; p < pieces; p++) {
            UNROLL for (int32_t c = 0; c < CHAINS; c++) {
                vf32_store(chains[h][piece + p][c], acc[h][p][c]);
            }
        }
    }
}

/* Channels first … end - 1 of one block's values, all heads of a pass. */
INLINE void value_row_block(const int32_t kv_dtype, const attention_job *job, head_chains *chains,
                            int32_t block, int32_t first_head, int32_t n_heads, int32_t first,
                            int32_t end, const float *weights, const block_part part) {
    const int64_t stride = job->scratch_stride, d_pad = value_numbers(job->d_head);
    for (int32_t h = 0; h < n_heads;) {
        const int32_t head = first_head + h, left = n_heads - h;
        const int32_t taken =
            heads_sharing(job, head, left < SHARED_VALUE_HEADS ? left : SHARED_VALUE_HEADS);
        const void *values = values_of(kv_dtype, job, block, kv_head_of(job, head));
        const float *w = weights + h * stride;
        for (int32_t c = first; c < end;) {
            const int32_t piece = (c - first) / 16;
            const void *from = numbers_from(kv_dtype, values, c);
            if (taken > 1) {
                BY_ROWS(taken, value_block(kv_dtype, chains + h, piece, from, d_pad, w, stride,
                                           part, ROWS, 1));
                c += 16;
            } else if (end - c > 16 * (VALUE_PIECES - 1)) {
                value_block(kv_dtype, chains + h, piece, from, d_pad, w, stride, part, 1,
                            VALUE_PIECES);
                c += 16 * VALUE_PIECES;
            } else {
                value_block(kv_dtype, chains + h, piece, from, d_pad, w, stride, part, 1, 1);
                c += 16;
            }
        }
        h += taken;
    }
}

INLINE void attend_row(const int32_t kv_dtype, const attention_job *job, const attention_tile *tile,
                       int32_t first_head, int32_t n_heads, float *weights) {
    const int32_t d_head = job->d_head, n = tile->position + 1;
    const int32_t start = window_start(job, tile->position);
    const int64_t stride = job->scratch_stride;
    float *out = job->out + tile->row * job->ldo + (int64_t)first_head * d_head;
    for (int32_t t = block_start(start); t < n; t += KV_BLOCK) {
        const int32_t count = n - t < KV_BLOCK ? n - t : KV_BLOCK;
        if (count > 16)
            score_row_block(kv_dtype, job, tile, first_head, n_heads, t, count, weights, 2);
        else
            score_row_block(kv_dtype, job, tile, first_head, n_heads, t, count, weights, 1);
    }
    float inverse[HEADS_PER_PASS];
    for (int32_t h = 0; h < n_heads; h++)
        inverse[h] = softmax_row(job, weights + h * stride, tile->position);
    for (int32_t first = 0; first < d_head; first += CHANNELS_PER_PASS) {
        head_chains chains[HEADS_PER_PASS];
        const int32_t end = d_head < first + CHANNELS_PER_PASS ? d_head : first + CHANNELS_PER_PASS;
        for (int32_t t = block_start(start); t < n; t += KV_BLOCK) {
            const block_part part = {
                .begin = t < start ? start - t : 0,
                .end = n - t < KV_BLOCK ? n - t : KV_BLOCK,
                .is_first = t <= start,
            };
            value_row_block(kv_dtype, job, chains, tile->blocks[t / KV_BLOCK], first_head, n_heads,
                            first, end, weights + t, part);
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
