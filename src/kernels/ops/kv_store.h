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

/* Units: rows × heads, in the order in which attention takes them: keys and values of a decoding
 * row then meet the cache of the thread that is about to read them. */
INLINE void store_units(const int32_t kv_dtype, const kv_store_job *job, int64_t begin,
                        int64_t end) {
    const int32_t d_head = job->d_head, keys_numbers = job->n_kv_head * d_head * KERNELS_KV_BLOCK;
    const int64_t d_pad = value_numbers(d_head);
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t row = unit / job->n_kv_head, head = unit % job->n_kv_head;
        const float *k = job->k + row * job->ldkv + head * d_head;
        const float *v = job->v + row * job->ldkv + head * d_head;
        const int32_t offset = job->slots[row] % KERNELS_KV_BLOCK;
        char *block = job->kv + job->slots[row] / KERNELS_KV_BLOCK * job->block_stride;
        const int64_t key = head * d_head * KERNELS_KV_BLOCK + offset;
        const int64_t value = keys_numbers + (head * KERNELS_KV_BLOCK + offset) * d_pad;
        if (kv_dtype == KERNELS_DTYPE_F32)
            store_f32((float *)block + key, (float *)block + value, d_pad, k, v, d_head);
        else
            store_bf16((uint16_t *)block + key, (uint16_t *)block + value, d_pad, k, v, d_head);
    }
}

static void store_units_f32(const void *job, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    store_units(KERNELS_DTYPE_F32, job, begin, end);
}

static void store_units_bf16(const void *job, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    store_units(KERNELS_DTYPE_BF16, job, begin, end);
}

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
    const int64_t n_units = (int64_t)m * n_kv_head;
    pool_run(kv_dtype == KERNELS_DTYPE_F32 ? store_units_f32 : store_units_bf16, &job, n_units,
             m == 1 ? n_units : n_kv_head);
}

#endif
