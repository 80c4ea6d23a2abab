/* Keys and values of a step's rows into their places of the KV blocks (layout in kernels.h). */
#ifndef ALPHA_OPS_KV_STORE_H
#define ALPHA_OPS_KV_STORE_H

#include "common.h"

static kernels_kv_store_fn FN(kv_store);

typedef struct {
    float *kv;
    int64_t block_stride;
    const float *k, *v;
    int64_t ldkv;
    const int32_t *slots;
    int32_t n_kv_head, d_head;
} kv_store_job;

/* Units: rows × heads, in the order in which attention takes them: keys and values of a decoding
 * row then meet the cache of the thread that is about to read them. */
static void store_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const kv_store_job *job = context;
    const int32_t d_head = job->d_head, keys_floats = job->n_kv_head * d_head * KERNELS_KV_BLOCK;
    const int64_t d_pad = value_floats(d_head);
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t row = unit / job->n_kv_head, head = unit % job->n_kv_head;
        const int64_t from = row * job->ldkv + head * d_head;
        const int32_t offset = job->slots[row] % KERNELS_KV_BLOCK;
        float *block = job->kv + job->slots[row] / KERNELS_KV_BLOCK * job->block_stride;
        float *keys = block + head * d_head * KERNELS_KV_BLOCK + offset;
        float *values = block + keys_floats + (head * KERNELS_KV_BLOCK + offset) * d_pad;
        for (int32_t c = 0; c < d_head; c++)
            keys[c * KERNELS_KV_BLOCK] = job->k[from + c];
        memcpy(values, job->v + from, (size_t)d_head * sizeof(float));
        memset(values + d_head, 0, (size_t)(d_pad - d_head) * sizeof(float));
    }
}

static void FN(kv_store)(float *kv, int64_t block_stride, const float *k, const float *v,
                         int64_t ldkv, const int32_t *slots, int32_t m, int32_t n_kv_head,
                         int32_t d_head) {
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
    pool_run(store_units, &job, n_units, m == 1 ? n_units : n_kv_head);
}

#endif
