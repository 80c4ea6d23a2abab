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

static void store_f32(float *keys, float *values, int64_t d_pad, const float *k, const float *v,
                      int32_t d_head) {
    for (int32_t c = 0; c < d_head; c++)
        keys[c * KERNELS_KV_BLOCK] = k[c];
    memcpy(values, v, (size_t)d_head * sizeof *values);
    memset(values + d_head, 0, (size_t)(d_pad - d_head) * sizeof *values);
}

static void store_bf16(uint16_t *keys, uint16_t *values, int64_t d_pad, const float *k,
                       const float *v, int32_t d_head) {
    for (int32_t c = 0; c < d_head; c++)
        keys[c * KERNELS_KV_BLOCK] = bf16_of(k[c]);
    for (int32_t c = 0; c < d_head; c++)
        values[c] = bf16_of(v[c]);
    memset(values + d_head, 0, (size_t)(d_pad - d_head) * sizeof *values);
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
 * cache of the thread that is about to read them. In bf16, those of a prompt go head by head: a
 * channel is one line for all rows of a block, and the lines of a head stay in the cache meanwhile
 * (1.03–1.6 times as fast; f32, with two lines a channel, 0.8–1.2). */
INLINE void store_rows(const int32_t kv_dtype, const kv_store_job *job, int64_t begin,
                       int64_t end) {
    const int32_t d_head = job->d_head, keys_numbers = job->n_kv_head * d_head * KERNELS_KV_BLOCK;
    const int64_t d_pad = value_numbers(d_head);
    for (int64_t first = begin, count; first < end; first += count) {
        count = kv_dtype == KERNELS_DTYPE_F32 ? 1 : rows_together(job, first, end);
        char *block = job->kv + job->slots[first] / KERNELS_KV_BLOCK * job->block_stride;
        for (int64_t head = 0; head < job->n_kv_head; head++) {
            for (int64_t row = first; row < first + count; row++) {
                const float *k = job->k + row * job->ldkv + head * d_head;
                const float *v = job->v + row * job->ldkv + head * d_head;
                const int32_t offset = job->slots[row] % KERNELS_KV_BLOCK;
                const int64_t key = head * d_head * KERNELS_KV_BLOCK + offset;
                const int64_t value = keys_numbers + (head * KERNELS_KV_BLOCK + offset) * d_pad;
                if (kv_dtype == KERNELS_DTYPE_F32)
                    store_f32((float *)block + key, (float *)block + value, d_pad, k, v, d_head);
                else
                    store_bf16((uint16_t *)block + key, (uint16_t *)block + value, d_pad, k, v,
                               d_head);
            }
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
    /* Of prompts enough rows together to fill lines, of few rows one each. */
    const int64_t grain = 1 + m / (GRAINS_OF_ROWS * pool_threads());
    pool_run(kv_dtype == KERNELS_DTYPE_F32 ? store_rows_f32 : store_rows_bf16, &job, m, grain);
}

#endif
