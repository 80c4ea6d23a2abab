/* Keys and values of a step's rows into their places of the KV blocks (layout in kernels.h). */
#ifndef ALPHA_OPS_KV_STORE_H
#define ALPHA_OPS_KV_STORE_H

#include "common.h"

static kernels_kv_store_fn FN(kv_store);

typedef struct {
    float *kv;
    int64_t block_stride;
    const float *qkv;
    int64_t ldq;
    const int32_t *slots;
    int32_t n_head, d_head;
} kv_store_job;

/* Units: rows × heads, in the order in which attention takes them: keys and values of a decoding
 * row then meet the cache of the thread that is about to read them. */
static void store_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const kv_store_job *job = context;
    const int32_t d_head = job->d_head, width = job->n_head * d_head;
    const int64_t d_pad = value_floats(d_head);
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t row = unit / job->n_head, head = unit % job->n_head;
        const float *k = job->qkv + row * job->ldq + width + head * d_head, *v = k + width;
        const int32_t offset = job->slots[row] % KERNELS_KV_BLOCK;
        float *block = job->kv + job->slots[row] / KERNELS_KV_BLOCK * job->block_stride;
        float *keys = block + head * d_head * KERNELS_KV_BLOCK + offset;
        float *values =
            block + (int64_t)KERNELS_KV_BLOCK * width + (head * KERNELS_KV_BLOCK + offset) * d_pad;
        for (int32_t c = 0; c < d_head; c++)
            keys[c * KERNELS_KV_BLOCK] = k[c];
        memcpy(values, v, (size_t)d_head * sizeof(float));
        memset(values + d_head, 0, (size_t)(d_pad - d_head) * sizeof(float));
    }
}

static void FN(kv_store)(float *kv, int64_t block_stride, const float *qkv, int64_t ldq,
                         const int32_t *slots, int32_t m, int32_t n_head, int32_t d_head) {
    kv_store_job job = {
        .kv = kv,
        .block_stride = block_stride,
        .qkv = qkv,
        .ldq = ldq,
        .slots = slots,
        .n_head = n_head,
        .d_head = d_head,
    };
    const int64_t n_units = (int64_t)m * n_head;
    pool_run(store_units, &job, n_units, m == 1 ? n_units : n_head);
}

#endif
