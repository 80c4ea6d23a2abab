/*
 * Causal attention over KV blocks of 32 tokens (layout in kernels.h): scores, softmax, weighted sum
 * of values, for up to six consecutive rows of one sequence and one head at a time.
 *
 * Numerics, the same however a prompt was cut into chunks: a score is one chain over the channels
 * (lanes are tokens); maximum and sum of a row run over 16 lanes (lane = position mod 16); a value
 * channel is four chains (position mod 4) over the positions in order, added as (0 + 1) + (2 + 3).
 * Nothing beyond a row's own position enters its arithmetic. Cost: 4 · d_head operations per row,
 * head and position.
 */

#define KV_BLOCK KERNELS_KV_BLOCK
#define CHAINS 4
#define D_HEAD_PIECE 16
/* Channels of a head whose chains one row keeps at a time. */
#define CHANNELS_PER_PASS 64

typedef struct {
    float *out;
    int64_t ldo;
    const float *qkv;
    int64_t ldq;
    const float *kv;
    int64_t block_stride;
    const int32_t *runs;
    int32_t n_runs;
    const int32_t *tables;
    int32_t n_head, d_head;
    float scale, soft_cap;
    float *scratch;
    int64_t scratch_stride; /* floats per row: the longest context, in whole blocks */
} attention_job;

/* Up to TILE_ROWS rows of one run. */
typedef struct {
    int32_t row, n_rows, position;
    const int32_t *blocks;
} attention_tile;

/* Floats of one value in a block. */
static inline int64_t padded_head(int32_t d_head) { return (d_head + 15) / 16 * 16; }

static inline const float *keys_of(const attention_job *job, int32_t block, int32_t head) {
    return job->kv + block * job->block_stride + (int64_t)head * job->d_head * KV_BLOCK;
}

static inline const float *values_of(const attention_job *job, int32_t block, int32_t head) {
    const int64_t d_pad = padded_head(job->d_head);
    return job->kv + block * job->block_stride +
           (int64_t)KV_BLOCK * (job->n_head * job->d_head + head * d_pad);
}

/* scores[r][0 … 16·halves-1] = q[r] · keys of one block, `vecs` halves at once. */
INLINE void score_halves(float *scores, int64_t stride, const float *q, int64_t ldq,
                         const float *keys, int32_t d_head, const int32_t rows,
                         const int32_t halves, const int32_t vecs) {
    UNROLL for (int32_t half = 0; half < halves; half += vecs) {
        vf32 acc[TILE_ROWS][2];
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t v = 0; v < vecs; v++) acc[r][v] = vf32_zero();
        }
        for (int32_t c = 0; c < d_head; c++) {
            vf32 key[2];
            UNROLL for (int32_t v = 0; v < vecs; v++) key[v] =
                vf32_load(keys + c * KV_BLOCK + 16 * (half + v));
            UNROLL for (int32_t r = 0; r < rows; r++) {
                vf32 qr = vf32_set1(q[r * ldq + c]);
                UNROLL for (int32_t v = 0; v < vecs; v++) acc[r][v] =
                    vf32_fma(qr, key[v], acc[r][v]);
            }
        }
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t v = 0; v < vecs; v++)
                vf32_store(scores + r * stride + 16 * (half + v), acc[r][v]);
        }
    }
}

/* Scores of the first `n_tokens` keys of one block and, up to a multiple of 16, of what is behind.
 */
INLINE void score_block(float *scores, int64_t stride, const float *q, int64_t ldq,
                        const float *keys, int32_t d_head, int32_t n_tokens, const int32_t rows) {
    if (n_tokens > 16)
        score_halves(scores, stride, q, ldq, keys, d_head, rows, 2,
                     rows * 2 <= TILE_BUDGET ? 2 : 1);
    else
        score_halves(scores, stride, q, ldq, keys, d_head, rows, 1, 1);
}

/* Scores of one row become weights exp(s - max); returns 1 / their sum. */
static float softmax_row(const attention_job *job, float *scores, int32_t position) {
    const float factor = job->soft_cap > 0 ? job->scale / job->soft_cap : job->scale;
    const vf32 scale = vf32_set1(factor), cap = vf32_set1(job->soft_cap);
    const vf32 lowest = vf32_set1(-INFINITY);
    const int32_t last = position / 16 * 16;
    vf32 largest = lowest;
    for (int32_t t = 0; t <= last; t += 16) {
        vf32 s = vf32_mul(vf32_load(scores + t), scale);
        if (job->soft_cap > 0)
            s = vf32_mul(cap, vf32_tanh(s));
        if (t == last)
            s = vf32_select(vmask_first(position - last + 1), s, lowest);
        vf32_store(scores + t, s);
        largest = vf32_max(s, largest);
    }
    const vf32 max = vf32_set1(vf32_max_of(largest));
    vf32 sum = vf32_zero();
    for (int32_t t = 0; t <= last; t += 16) {
        vf32 weight = vf32_exp_falling(vf32_sub(vf32_load(scores + t), max));
        vf32_store(scores + t, weight);
        sum = vf32_add(sum, weight);
    }
    return 1.0f / vf32_sum(sum);
}

/*
 * Chains of 16 value channels, all rows together: partial[r][chain]. Positions 0 … shared-1 belong
 * to every row, the last few only to some. `wide` chains run side by side, as many as fit into
 * registers.
 */
INLINE void value_chains(float (*partial)[CHAINS][16], const attention_job *job,
                         const attention_tile *tile, int32_t head, int32_t channel,
                         const float *weights, const int32_t rows, const int32_t wide) {
    const int32_t shared = (tile->position + 1) / CHAINS * CHAINS;
    const int32_t n = tile->position + rows;
    const int64_t d_pad = padded_head(job->d_head);
    for (int32_t chain = 0; chain < CHAINS; chain += wide) {
        vf32 acc[TILE_ROWS][CHAINS];
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t c = 0; c < wide; c++) acc[r][c] = vf32_zero();
        }
        for (int32_t start = 0; start < shared; start += KV_BLOCK) {
            const int32_t count = shared - start < KV_BLOCK ? shared - start : KV_BLOCK;
            const float *values = values_of(job, tile->blocks[start / KV_BLOCK], head) + channel;
            for (int32_t t = chain; t < count; t += CHAINS) {
                UNROLL for (int32_t c = 0; c < wide; c++) {
                    vf32 value = vf32_load(values + (t + c) * d_pad);
                    UNROLL for (int32_t r = 0; r < rows; r++) {
                        vf32 w = vf32_set1(weights[r * job->scratch_stride + start + t + c]);
                        acc[r][c] = vf32_fma(w, value, acc[r][c]);
                    }
                }
            }
        }
        for (int32_t t = shared + chain; t < n; t += CHAINS) {
            const float *values = values_of(job, tile->blocks[t / KV_BLOCK], head) + channel;
            UNROLL for (int32_t c = 0; c < wide; c++) {
                vf32 value = vf32_load(values + (t % KV_BLOCK + c) * d_pad);
                UNROLL for (int32_t r = 0; r < rows; r++) {
                    if (t + c <= tile->position + r)
                        acc[r][c] = vf32_fma(vf32_set1(weights[r * job->scratch_stride + t + c]),
                                             value, acc[r][c]);
                }
            }
        }
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t c = 0; c < wide; c++) vf32_store(partial[r][chain + c], acc[r][c]);
        }
    }
}

static inline vf32 sum_chains(float (*chains)[16]) {
    vf32 even = vf32_add(vf32_load(chains[0]), vf32_load(chains[1]));
    vf32 odd = vf32_add(vf32_load(chains[2]), vf32_load(chains[3]));
    return vf32_add(even, odd);
}

INLINE void attend(const attention_job *job, const attention_tile *tile, int32_t head,
                   float *weights, const int32_t rows) {
    const int64_t stride = job->scratch_stride;
    const float *q = job->qkv + tile->row * job->ldq + (int64_t)head * job->d_head;
    const int32_t last = tile->position + rows - 1;
    for (int32_t t = 0; t <= last; t += KV_BLOCK)
        score_block(weights + t, stride, q, job->ldq,
                    keys_of(job, tile->blocks[t / KV_BLOCK], head), job->d_head, last - t + 1,
                    rows);
    float inverse[TILE_ROWS];
    for (int32_t r = 0; r < rows; r++)
        inverse[r] = softmax_row(job, weights + r * stride, tile->position + r);
    for (int32_t channel = 0; channel < job->d_head; channel += D_HEAD_PIECE) {
        float partial[TILE_ROWS][CHAINS][16];
        value_chains(partial, job, tile, head, channel, weights, rows,
                     TILE_VECS(rows, TILE_BUDGET));
        for (int32_t r = 0; r < rows; r++) {
            vf32 sum = sum_chains(partial[r]);
            float *out = job->out + (tile->row + r) * job->ldo + head * job->d_head + channel;
            int32_t lanes = job->d_head - channel < 16 ? job->d_head - channel : 16;
            vf32_store_n(out, vf32_mul(sum, vf32_set1(inverse[r])), lanes);
        }
    }
}

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
        UNROLL for (int32_t v = 0; v < vecs; v++) acc[h][v] = vf32_zero();
    }
    for (int32_t c = 0; c < d_head; c++) {
        UNROLL for (int32_t h = 0; h < heads; h++) {
            const float *key = keys + (h * d_head + c) * KV_BLOCK;
            const vf32 qh = vf32_set1(q[h * d_head + c]);
            UNROLL for (int32_t v = 0; v < vecs; v++) acc[h][v] =
                vf32_fma(qh, vf32_load(key + 16 * v), acc[h][v]);
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
        UNROLL for (int32_t v = 0; v < vecs; v++)
            vf32_store(scores + h * stride + 16 * v, acc[h][v]);
    }
}

/* Chains of `pieces` times 16 channels over the first `count` values of one block, which is the
 * first of all or continues what the chains hold. */
INLINE void value_block(float (*chains)[CHAINS][16], const float *values, int64_t d_pad,
                        const float *weights, int32_t count, int32_t is_first,
                        const int32_t pieces) {
    vf32 acc[2][CHAINS];
    UNROLL for (int32_t p = 0; p < pieces; p++) {
        UNROLL for (int32_t c = 0; c < CHAINS; c++) acc[p][c] =
            is_first ? vf32_zero() : vf32_load(chains[p][c]);
    }
    const int32_t whole = count / CHAINS * CHAINS;
    for (int32_t t = 0; t < whole; t += CHAINS) {
        UNROLL for (int32_t c = 0; c < CHAINS; c++) {
            const vf32 w = vf32_set1(weights[t + c]);
            UNROLL for (int32_t p = 0; p < pieces; p++) acc[p][c] =
                vf32_fma(w, vf32_load(values + (t + c) * d_pad + 16 * p), acc[p][c]);
        }
    }
    UNROLL for (int32_t c = 0; c < CHAINS; c++) {
        if (whole + c < count) {
            const vf32 w = vf32_set1(weights[whole + c]);
            UNROLL for (int32_t p = 0; p < pieces; p++) acc[p][c] =
                vf32_fma(w, vf32_load(values + (whole + c) * d_pad + 16 * p), acc[p][c]);
        }
    }
    UNROLL for (int32_t p = 0; p < pieces; p++) {
        UNROLL for (int32_t c = 0; c < CHAINS; c++) vf32_store(chains[p][c], acc[p][c]);
    }
}

/* Scores of one row against one block, all heads of a pass. */
INLINE void score_row_block(const attention_job *job, const attention_tile *tile,
                            int32_t first_head, int32_t n_heads, int32_t start, int32_t count,
                            float *weights, const int32_t vecs) {
    const int32_t d_head = job->d_head, block = tile->blocks[start / KV_BLOCK];
    const int64_t stride = job->scratch_stride, d_pad = padded_head(d_head);
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

/*
 * One row, up to HEADS_PER_PASS heads: what a decoding sequence needs. Its keys and values are read
 * once and seldom fit into a cache, so they are read as they lie in memory, the heads of a block
 * side by side (25 GB/s instead of 15 head by head on the machine of LOG.md).
 */
static void attend_row(const attention_job *job, const attention_tile *tile, int32_t first_head,
                       int32_t n_heads, float *weights) {
    const int32_t d_head = job->d_head, n = tile->position + 1;
    const int64_t stride = job->scratch_stride, d_pad = padded_head(d_head);
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

static void attend_head(const attention_job *job, const attention_tile *tile, int32_t head,
                        float *weights) {
    switch (tile->n_rows) {
    case 2:
        attend(job, tile, head, weights, 2);
        break;
    case 3:
        attend(job, tile, head, weights, 3);
        break;
    case 4:
        attend(job, tile, head, weights, 4);
        break;
    case 5:
        attend(job, tile, head, weights, 5);
        break;
    default:
        attend(job, tile, head, weights, 6);
    }
}

static inline int32_t tiles_of(int32_t n_rows) { return (n_rows + TILE_ROWS - 1) / TILE_ROWS; }

/* Units: tiles of all runs in order × heads. */
static void attend_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    const attention_job *job = context;
    const int32_t *run = job->runs;
    int64_t tile_index = begin / job->n_head;
    while (tile_index >= tiles_of(run[1])) {
        tile_index -= tiles_of(run[1]);
        run += 4;
    }
    int32_t head = (int32_t)(begin % job->n_head);
    float *weights = job->scratch + thread * HEADS_PER_PASS * job->scratch_stride;
    for (int64_t unit = begin; unit < end;) {
        int32_t first = (int32_t)tile_index * TILE_ROWS;
        attention_tile tile = {
            .row = run[0] + first,
            .n_rows = run[1] - first < TILE_ROWS ? run[1] - first : TILE_ROWS,
            .position = run[2] + first,
            .blocks = job->tables + run[3],
        };
        int32_t n_heads = 1;
        if (tile.n_rows == 1) {
            n_heads = job->n_head - head < HEADS_PER_PASS ? job->n_head - head : HEADS_PER_PASS;
            n_heads = end - unit < n_heads ? (int32_t)(end - unit) : n_heads;
            attend_row(job, &tile, head, n_heads, weights);
        } else {
            attend_head(job, &tile, head, weights);
        }
        unit += n_heads;
        head += n_heads;
        if (head < job->n_head)
            continue;
        head = 0;
        if (++tile_index < tiles_of(run[1]))
            continue;
        tile_index = 0;
        do
            run += 4;
        while (unit < end && run[1] == 0);
    }
}

static void FN(attention)(float *out, int64_t ldo, const float *qkv, int64_t ldq, const float *kv,
                          int64_t block_stride, const int32_t *runs, int32_t n_runs,
                          const int32_t *tables, int32_t n_head, int32_t d_head, float soft_cap,
                          void *scratch) {
    attention_job job = {
        out,      ldo,     qkv,    ldq,    kv,     block_stride,
        runs,     n_runs,  tables, n_head, d_head, 1.0f / sqrtf((float)d_head),
        soft_cap, scratch, 0,
    };
    int64_t n_tiles = 0, positions = 0;
    for (int32_t i = 0; i < n_runs; i++) {
        const int32_t *run = runs + 4 * i;
        n_tiles += tiles_of(run[1]);
        positions += (int64_t)run[1] * (run[2] + run[1]);
        int64_t context = (run[2] + run[1] + KV_BLOCK - 1) / KV_BLOCK * KV_BLOCK;
        job.scratch_stride = context > job.scratch_stride ? context : job.scratch_stride;
    }
    int64_t n_units = n_tiles * n_head;
    int64_t work = positions * n_head * d_head * 2;
    /* The heads of a row stay together, unless there are fewer rows than threads. */
    int64_t share = (n_units + pool_threads() - 1) / pool_threads();
    int64_t grain = share < n_head ? share : n_head;
    pool_run(attend_units, &job, n_units, work < WORK_MIN / 2 ? n_units : grain);
}

typedef struct {
    float *kv;
    int64_t block_stride;
    const float *qkv;
    int64_t ldq;
    const int32_t *slots;
    int32_t m, n_head, d_head;
} kv_store_job;

/* Units: rows × heads, in the order in which attention takes them: keys and values of a decoding
 * row then meet the cache of the thread that is about to read them. */
static void store_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const kv_store_job *job = context;
    const int32_t d_head = job->d_head, width = job->n_head * d_head;
    const int64_t d_pad = padded_head(d_head);
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t row = unit / job->n_head, head = unit % job->n_head;
        const float *k = job->qkv + row * job->ldq + width + head * d_head, *v = k + width;
        const int32_t offset = job->slots[row] % KV_BLOCK;
        float *block = job->kv + job->slots[row] / KV_BLOCK * job->block_stride;
        float *keys = block + head * d_head * KV_BLOCK + offset;
        float *values = block + (int64_t)KV_BLOCK * width + (head * KV_BLOCK + offset) * d_pad;
        for (int32_t c = 0; c < d_head; c++)
            keys[c * KV_BLOCK] = k[c];
        memcpy(values, v, (size_t)d_head * sizeof(float));
        memset(values + d_head, 0, (size_t)(d_pad - d_head) * sizeof(float));
    }
}

static void FN(kv_store)(float *kv, int64_t block_stride, const float *qkv, int64_t ldq,
                         const int32_t *slots, int32_t m, int32_t n_head, int32_t d_head) {
    kv_store_job job = {kv, block_stride, qkv, ldq, slots, m, n_head, d_head};
    const int64_t n_units = (int64_t)m * n_head;
    pool_run(store_units, &job, n_units, m == 1 ? n_units : n_head);
}
