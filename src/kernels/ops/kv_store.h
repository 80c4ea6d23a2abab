/* Keys and values of a step's rows into their places of the KV blocks (layout in kernels.h). */
#ifndef ALPHA_OPS_KV_STORE_H
#define ALPHA_OPS_KV_STORE_H

#include "elementary.h"

static kernels_kv_store_fn FN(kv_store);

typedef struct {
    char *kv;
    int64_t block_stride;
    const float *k, *v;
    int64_t ldkv;
    const int32_t *slots;
    int32_t n_kv_head, d_head;
} kv_store_job;

/* Rows × channels of keys that are turned around in registers. */
#define KEY_TILE 16
/* Fewer rows are stored number by number. */
#define KEY_TILE_ROWS_MIN 4

INLINE void store_number(const int32_t kv_dtype, void *numbers, int64_t n, float x) {
    if (kv_dtype == KERNELS_DTYPE_F32)
        ((float *)numbers)[n] = x;
    else
        ((uint16_t *)numbers)[n] = bf16_of(x);
}

/* The first `count` of x, 1 … 16, as numbers n, n + 1, … */
INLINE void store_numbers(const int32_t kv_dtype, void *numbers, int64_t n, vf32 x, int32_t count) {
    if (kv_dtype == KERNELS_DTYPE_F32) {
        vf32_store_n((float *)numbers + n, x, count);
        return;
    }
    uint16_t *to = (uint16_t *)numbers + n;
    if (count == 16) {
        vf32_store_bf16(to, x);
        return;
    }
    uint16_t lanes[16];
    vf32_store_bf16(lanes, x);
    memcpy(to, lanes, (size_t)count * sizeof *to);
}

/* tile[i] lane j becomes tile[j] lane i: four perfect shuffles of the 16 vectors. */
INLINE void transpose(vf32 *tile) {
    UNROLL for (int32_t pass = 0; pass < 4; pass++) {
        vf32 zipped[KEY_TILE];
        UNROLL for (int32_t i = 0; i < KEY_TILE / 2; i++) {
            zipped[2 * i] = vf32_zip_low(tile[i], tile[i + KEY_TILE / 2]);
            zipped[2 * i + 1] = vf32_zip_high(tile[i], tile[i + KEY_TILE / 2]);
        }
        UNROLL for (int32_t i = 0; i < KEY_TILE; i++) { tile[i] = zipped[i]; }
    }
}

/* Keys of a head for up to 16 rows, whose first place is number n: a channel is 32 numbers, one for
 * each token. */
INLINE void store_keys(const int32_t kv_dtype, void *keys, int64_t n, const float *k, int64_t ldkv,
                       int32_t d_head, int32_t n_rows) {
    if (n_rows < KEY_TILE_ROWS_MIN) {
        for (int32_t row = 0; row < n_rows; row++) {
            for (int32_t c = 0; c < d_head; c++)
                store_number(kv_dtype, keys, n + row + c * KERNELS_KV_BLOCK, k[row * ldkv + c]);
        }
        return;
    }
    for (int32_t first = 0; first < d_head; first += KEY_TILE) {
        const int32_t left = d_head - first, channels = left < KEY_TILE ? left : KEY_TILE;
        vf32 tile[KEY_TILE];
        UNROLL for (int32_t row = 0; row < KEY_TILE; row++) {
            tile[row] = row < n_rows ? vf32_load_n(k + row * ldkv + first, channels) : vf32_zero();
        }
        transpose(tile);
        for (int32_t c = 0; c < channels; c++)
            store_numbers(kv_dtype, keys, n + (first + c) * KERNELS_KV_BLOCK, tile[c], n_rows);
    }
}

/* A token's value channels lie together, zeros behind them. */
INLINE void store_values(const int32_t kv_dtype, void *values, int64_t n, int64_t d_pad,
                         const float *v, int32_t d_head) {
    for (int32_t c = 0; c < d_pad; c += 16) {
        const int32_t left = d_head - c;
        store_numbers(kv_dtype, values, n + c, vf32_load_n(v + c, left < 16 ? left : 16), 16);
    }
}

/* Rows from `row` on, before `end`, whose places follow each other in one block. */
static int64_t rows_together(const kv_store_job *job, int64_t row, int64_t end) {
    const int32_t first = job->slots[row], left = KERNELS_KV_BLOCK - first % KERNELS_KV_BLOCK;
    int64_t count = 1;
    while (count < left && row + count < end && job->slots[row + count] == first + count)
        count++;
    return count;
}

/* Rows, in the order in which attention takes them: keys and values of a decoding row then meet the
 * cache of the thread that is about to read them. Those of a prompt go head by head: the lines of a
 * head's channels stay in the cache until all rows of the block are there. */
INLINE void store_rows(const int32_t kv_dtype, const kv_store_job *job, int64_t begin,
                       int64_t end) {
    const int32_t d_head = job->d_head, keys_numbers = job->n_kv_head * d_head * KERNELS_KV_BLOCK;
    const int64_t d_pad = value_numbers(d_head);
    for (int64_t first = begin, count; first < end; first += count) {
        count = rows_together(job, first, end);
        char *block = job->kv + job->slots[first] / KERNELS_KV_BLOCK * job->block_stride;
        const int32_t offset = job->slots[first] % KERNELS_KV_BLOCK;
        for (int64_t head = 0; head < job->n_kv_head; head++) {
            const float *k = job->k + first * job->ldkv + head * d_head;
            const float *v = job->v + first * job->ldkv + head * d_head;
            const int64_t key = head * d_head * KERNELS_KV_BLOCK + offset;
            const int64_t value = keys_numbers + (head * KERNELS_KV_BLOCK + offset) * d_pad;
            for (int64_t row = 0; row < count; row += KEY_TILE) {
                const int64_t left = count - row;
                store_keys(kv_dtype, block, key + row, k + row * job->ldkv, job->ldkv, d_head,
                           left < KEY_TILE ? (int32_t)left : KEY_TILE);
            }
            for (int64_t row = 0; row < count; row++)
                store_values(kv_dtype, block, value + row * d_pad, d_pad, v + row * job->ldkv,
                             d_head);
        }
    }
}

static void store_rows_f32(const void *job, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    store_rows(KERNELS_DTYPE_F32, job, begin, end);
}

static void store_rows_bf16(const void *job, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    store_rows(KERNELS_DTYPE_BF16, job, begin, end);
}

#define GRAINS_OF_ROWS 4

static void FN(kv_store)(int32_t kv_dtype, void *kv, int64_t block_stride, const float *k,
                         const float *v, int64_t ldkv, const int32_t *slots, int32_t m,
                         int32_t n_kv_head, int32_t d_head) {
    kv_store_job job = {
        .kv = kv,
        .block_stride = block_stride,
        .k = k,
        .v = v,
        .ldkv = ldkv,
        .slots = slots,
        .n_kv_head = n_kv_head,
        .d_head = d_head,
    };
    const bool fills_tiles = m >= KEY_TILE * pool_threads();
    const int64_t grain = fills_tiles ? KEY_TILE : 1 + m / (GRAINS_OF_ROWS * pool_threads());
    pool_run(kv_dtype == KERNELS_DTYPE_F32 ? store_rows_f32 : store_rows_bf16, &job, m, grain);
}

#endif
