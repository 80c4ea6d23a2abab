/* What buffers need: their sizes, and pages that suit them. */
#include "layout.h"
#include "system.h"
#include "threads.h"

int64_t kernels_packed_bytes(int32_t dtype, int32_t k, int32_t n) {
    return panels_of(n) * panel_bytes(dtype, k);
}

int64_t kernels_matmul_scratch_bytes(int32_t dtype, int32_t m, int32_t k) {
    return dtype == KERNELS_DTYPE_INT8 ? round_up(m, INT8_BLOCK_ROWS) * int8_row_bytes(k) : 0;
}

int64_t kernels_kv_layer_bytes(int32_t kv_dtype, int32_t n_kv_head, int32_t d_head) {
    return kv_number_bytes(kv_dtype) * n_kv_head * KERNELS_KV_BLOCK *
           (d_head + value_numbers(d_head));
}

int64_t kernels_attention_scratch_bytes(int32_t max_context) {
    return (int64_t)pool_threads_max() * HEADS_PER_PASS * round_up(max_context, KERNELS_KV_BLOCK) *
           4;
}

int64_t kernels_sample_scratch_bytes(int32_t vocab) {
    return (int64_t)pool_threads_max() * SAMPLE_ARRAYS * sample_stride(vocab) * 4;
}

void kernels_advise_huge_pages(void *start, int64_t bytes) {
    system_advise_huge_pages(start, bytes);
}

void kernels_release_pages(void *start, int64_t bytes) { system_release_pages(start, bytes); }

void kernels_release_program(void) { system_release_program(); }
