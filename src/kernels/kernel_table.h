/* The functions that kernels_isa.c provides once per instruction set; contracts in kernels.h. */
#ifndef ALPHA_KERNEL_TABLE_H
#define ALPHA_KERNEL_TABLE_H

#include "kernels.h"

typedef struct {
    void (*pack)(int32_t dtype, void *dst, const float *src, int32_t column_start, int32_t n_src,
                 int32_t k, int32_t n);
    int64_t (*first_nonfinite)(const float *x, int64_t count);
    void (*matmul)(int32_t dtype, float *out, int64_t ldo, const float *x, int64_t ldx,
                   const void *w, int32_t m, int32_t k, int32_t n, int32_t accumulate,
                   void *scratch);
    void (*embed)(float *x, int64_t ldx, const float *wte, const float *wpe, const int32_t *ids,
                  const int32_t *positions, int32_t m, int32_t d);
    void (*layer_norm)(float *out, int64_t ldo, const float *x, int64_t ldx, const int32_t *rows,
                       const float *weight, const float *bias, int32_t m, int32_t d);
    void (*kv_store)(float *kv, int64_t block_stride, const float *qkv, int64_t ldq,
                     const int32_t *slots, int32_t m, int32_t n_head, int32_t d_head);
    void (*attention)(float *out, int64_t ldo, const float *qkv, int64_t ldq, const float *kv,
                      int64_t block_stride, const int32_t *runs, int32_t n_runs,
                      const int32_t *tables, int32_t n_head, int32_t d_head, float soft_cap,
                      void *scratch);
    void (*activation)(int32_t activation, float *u, int64_t ldu, int32_t m, int32_t f,
                       const float *params, const int32_t *program, int32_t n_ops);
    void (*mask_logits)(float *logits, const uint32_t *mask, int32_t vocab);
    double (*log_sum_exp)(const float *logits, int32_t vocab);
    void (*top_k)(const float *logits, int32_t vocab, int32_t k, int32_t *ids, float *values);
    void (*sample)(int32_t *out_ids, const float *logits, int64_t ldl, int32_t vocab, int32_t n,
                   const int32_t *rows, const float *temperatures, const int32_t *top_ks,
                   const float *top_ps, const float *min_ps, const uint32_t *seeds,
                   const int32_t *choices, const int32_t *counters, void *scratch);
    float (*measure_read)(const void *buffer, int64_t bytes);
    double (*measure_fma)(int64_t iterations);
} kernel_table;

/* Inputs that share one int8 scale. */
#define INT8_GROUP 64

/* Rows of one register tile, and of one unit of attention. */
#define TILE_ROWS 6
/* Heads that the attention of one row takes together; at least TILE_ROWS. */
#define HEADS_PER_PASS 16

/* Arrays of one word per token that a row's draw needs. */
#define SAMPLE_ARRAYS 7

#endif
