/*
 * The ABI between TypeScript and the SIMD kernels: flat C, fixed-width types, caller owns all
 * memory.
 *
 * The signature of an op stands here once, as a function type: op, table and exported function are
 * declared with it. binding.ts repeats names, types and constants; a test compares them.
 *
 * Conventions. Sizes m (rows), k (inputs), n (outputs), d (channels). Activations are row-major f32
 * with a row stride `ld*` in floats; every activation matrix is allocated with a stride that is a
 * multiple of 64 and may be written up to that stride. Packed weights, KV blocks and strides are
 * 64-byte aligned. Arguments are trusted: TypeScript has checked them when the model was loaded.
 * No function prints, exits or (after kernels_threads_set) allocates.
 *
 * Numerics. Results are a function of the inputs alone: not of the ISA, the number of threads or of
 * rows. Every matmul element is one chain of fused multiply-adds over k = 0 … K-1; with int8
 * weights, over groups of 256 inputs, whose sums are exact integers. Every row reduction uses 16
 * virtual lanes (lane = index mod 16) and one fixed tree.
 */
#ifndef ALPHA_KERNELS_H
#define ALPHA_KERNELS_H

#include <stdint.h>

#if defined(_WIN32)
#define KERNELS_API __attribute__((dllexport))
#else
#define KERNELS_API __attribute__((visibility("default")))
#endif

#define KERNELS_PANEL 64         /* columns of a weight panel */
#define KERNELS_KV_BLOCK 32      /* tokens of a KV block */
#define KERNELS_THREADS_MAX 64   /* threads of the pool, the caller included */
#define KERNELS_ACT_STACK_MAX 16 /* values that a composed activation's program may stack */

enum { KERNELS_DTYPE_F32 = 0, KERNELS_DTYPE_BF16 = 1, KERNELS_DTYPE_INT8 = 2 };
enum {
    KERNELS_ACT_GELU = 0,
    KERNELS_ACT_SILU = 1,
    KERNELS_ACT_RELU = 2,
    KERNELS_ACT_SWIGLU = 3,
    KERNELS_ACT_UNIVERSAL = 4,
    KERNELS_ACT_KAN_SPLINE = 5,
    KERNELS_ACT_COMPOSED = 6,
    KERNELS_ACT_GELU_ERF = 7,
    KERNELS_ACT_RELU_SQUARED = 8,
    KERNELS_ACT_GEGLU = 9,
    KERNELS_ACT_GEGLU_ERF = 10,
    KERNELS_ACT_REGLU = 11,
    KERNELS_ACT_REGLU_SQUARED = 12
};
/* Postfix program of a composed activation. */
enum {
    KERNELS_OP_SILU = 0,
    KERNELS_OP_RELU = 1,
    KERNELS_OP_GELU = 2,
    KERNELS_OP_IDENTITY = 3,
    KERNELS_OP_SQUARE = 4,
    KERNELS_OP_SCALE = 5, /* top *= factors[i] */
    KERNELS_OP_ADD = 6,
    KERNELS_OP_MUL = 7
};

/* ---- selection and threads ---- */

/* Choose the instruction set: a name of kernels_isa_list, or NULL / "" for the best supported one.
 * 0, -1 unknown name, -2 not supported by this processor. Call before any op. */
KERNELS_API int32_t kernels_select(const char *name);
/* Name in use: "amx", "avx512", "avx_vnni", "avx2", "neon_dotprod", "neon" or "scalar". */
KERNELS_API const char *kernels_isa_name(void);
/* Names compiled into this library, best first, comma-separated. */
KERNELS_API const char *kernels_isa_list(void);
/* 1 when this processor and operating system can run the named set. */
KERNELS_API int32_t kernels_isa_supported(const char *name);
/* Size of the pool, the calling thread included: 1 … KERNELS_THREADS_MAX. Threads spin briefly
 * between ops, then sleep. 0, or -1 when threads could not be created. Ops may be called from one
 * thread at a time.
 */
KERNELS_API int32_t kernels_threads_set(int32_t n_threads);
KERNELS_API int32_t kernels_threads(void);
/* How many of the pool's threads take part in the ops that follow, between two ops: 1 … its size,
 * which it is after kernels_threads_set. The others sleep. 0, or -1 for another number. */
KERNELS_API int32_t kernels_threads_use(int32_t n_threads);
/* Ask the system to let the calling thread run in short turns, which begin sooner when it wakes;
 * its share of the processors stays the same. Linux follows from 6.12 on. 0, or -1 when it refuses.
 * Threads that are started afterwards inherit it. */
KERNELS_API int32_t kernels_short_turns(void);
/* Number of the calling thread, by which its stack can be asked for from now on, wherever it is
 * then; -1 where the system tells no stacks. */
KERNELS_API int32_t kernels_watch_thread(void);
/* Code addresses of a watched thread's stack, innermost first, at most `max`; of the callers of our
 * own code only, and where the C library is glibc. Returns their number after at most some 100 ms,
 * 0 when the thread does not answer. Callable from one other thread. */
KERNELS_API int32_t kernels_thread_stack(int32_t thread, uint64_t *addresses, int32_t max);

/* ---- packing: single-threaded, never touches the pool, callable from any thread ---- */

/* Ask the system to back a buffer with huge pages: fewer address translations while weights stream
 * by. Call before the buffer is filled. */
KERNELS_API void kernels_advise_huge_pages(void *start, int64_t bytes);
/* Give the memory of a buffer back to the system: what it held is lost, whole pages read as zeros.
 */
KERNELS_API void kernels_release_pages(void *start, int64_t bytes);
/* Unmap the host program's code and constants, which were mapped when they were touched and are so
 * again: from the page cache, where they stay until the system needs room. Linux alone follows. */
KERNELS_API void kernels_release_program(void);
/* Bytes of a packed matrix with k inputs and n outputs. In panels of 64 columns (pack.h);
 * missing columns are zero. bf16 rounds to nearest even. int8: rotated, then symmetric, per column
 * and group of 256 inputs, with an f32 scale and the sum of its bytes in 16 bits. */
KERNELS_API int64_t kernels_packed_bytes(int32_t dtype, int32_t k, int32_t n);
/* Put src[n_src, k] (row-major, one row per output) at columns column_start … of the packed matrix
 * dst with k inputs. dst starts zeroed. */
typedef void kernels_pack_fn(int32_t dtype, void *dst, const float *src, int32_t column_start,
                             int32_t n_src, int32_t k);
KERNELS_API kernels_pack_fn kernels_pack;
/* The same for weights stored by inputs: src[n_src, n_columns] with row stride lds holds inputs
 * input_start … of columns column_start …. For int8, input_start is a multiple of 256, and n_src
 * too unless it ends at k. */
typedef void kernels_pack_inputs_fn(int32_t dtype, void *dst, const float *src, int64_t lds,
                                    int32_t input_start, int32_t n_src, int32_t column_start,
                                    int32_t n_columns, int32_t k);
KERNELS_API kernels_pack_inputs_fn kernels_pack_inputs;
/* Index of the first NaN or infinity, or -1. */
typedef int64_t kernels_first_nonfinite_fn(const float *x, int64_t count);
KERNELS_API kernels_first_nonfinite_fn kernels_first_nonfinite;
/*
 * Parse decimal numbers separated by commas and JSON white space, as they stand between the
 * brackets of a JSON array, each correctly rounded to double and then to f32. Stops before the
 * closing ']', at out_max numbers, or, when is_last is 0, before a number that may continue after
 * the text's end. *consumed = bytes read (also when an error is returned: offset of the fault).
 * Returns the count, or -1 for text that is not a JSON number list; `null` is an error (it stands
 * for NaN).
 */
KERNELS_API int64_t kernels_parse_json_floats(const uint8_t *text, int64_t length, int32_t is_last,
                                              float *out, int64_t out_max, int64_t *consumed);
/* out = the numbers of so many blocks, of one of ggml's types by its number: F16 1 and BF16 30
 * (blocks of one number), Q4_0 2, Q4_1 3, Q5_0 6, Q5_1 7, Q8_0 8 (32 numbers), Q4_K 12, Q5_K 13,
 * Q6_K 14 (256 numbers). -1 = another type. */
KERNELS_API int32_t kernels_read_ggml(int32_t type, float *out, const uint8_t *input,
                                      int64_t blocks);

/* ---- the network ---- */

/* Bytes of scratch that kernels_matmul needs for at most m rows of k inputs (0 for f32 and bf16).
 */
KERNELS_API int64_t kernels_matmul_scratch_bytes(int32_t dtype, int32_t m, int32_t k);
/* out[m, n] = x[m, k] · w + bias[n], w packed, bias NULL = none. The chain of an element is
 * completed first, then the bias is added, then, when accumulate, the result to out. Columns
 * beyond n, up to the next multiple of 64, become zeros (NaN where inputs are not finite) or stay
 * as they were. */
typedef void kernels_matmul_fn(int32_t dtype, float *out, int64_t ldo, const float *x, int64_t ldx,
                               const void *w, const float *bias, int32_t m, int32_t k, int32_t n,
                               int32_t accumulate, void *scratch);
KERNELS_API kernels_matmul_fn kernels_matmul;
/* x[i, :] = wte[ids[i], :] + wpe[positions[i], :]; plain row-major with stride d. wpe NULL =
 * without positions; then a negative id gives zeros. */
typedef void kernels_embed_fn(float *x, int64_t ldx, const float *wte, const float *wpe,
                              const int32_t *ids, const int32_t *positions, int32_t m, int32_t d);
KERNELS_API kernels_embed_fn kernels_embed;
/* out = (x - mean) / sqrt(var + epsilon) * weight + bias, var with 1/d; bias NULL = none. rows[i]
 * picks x's row for out's row i; NULL = the same row. */
typedef void kernels_layer_norm_fn(float *out, int64_t ldo, const float *x, int64_t ldx,
                                   const int32_t *rows, const float *weight, const float *bias,
                                   int32_t m, int32_t d, float epsilon);
KERNELS_API kernels_layer_norm_fn kernels_layer_norm;
/* out = x / sqrt(mean(x²) + epsilon) * weight; weight[d] NULL = ones. A row is n_groups × d
 * numbers, each group normalized by itself with the same weight: 1 for whole rows, or the heads of
 * q and k. rows as above; out may be x. */
typedef void kernels_rms_norm_fn(float *out, int64_t ldo, const float *x, int64_t ldx,
                                 const int32_t *rows, const float *weight, int32_t m,
                                 int32_t n_groups, int32_t d, float epsilon);
KERNELS_API kernels_rms_norm_fn kernels_rms_norm;
/* x = cap · tanh(x / cap), in place over x[m, d]. */
typedef void kernels_soft_cap_fn(float *x, int64_t ldx, int32_t m, int32_t d, float cap);
KERNELS_API kernels_soft_cap_fn kernels_soft_cap;

/* out = a·x + b·y over [m, d]: a is *x_factor, b is y_sign · *y_factor; NULL = 1. out may be x or
 * y.
 */
typedef void kernels_mix_fn(float *out, int64_t ldo, const float *x, int64_t ldx, const float *y,
                            int64_t ldy, const float *x_factor, const float *y_factor, float y_sign,
                            int32_t m, int32_t d);
KERNELS_API kernels_mix_fn kernels_mix;
/* x[:, group] += scale · *factor · sigmoid(inputs[:, 0…n_inputs) · gates[group]) · y[:, group], for
 * n_groups groups of d numbers side by side; factor NULL = 1. gates[n_groups, n_inputs]. inputs may
 * be x when there is one group. */
typedef void kernels_add_gated_fn(float *x, int64_t ldx, const float *y, int64_t ldy,
                                  const float *inputs, int64_t ldi, const float *gates,
                                  const float *factor, float scale, int32_t m, int32_t n_inputs,
                                  int32_t n_groups, int32_t d);
KERNELS_API kernels_add_gated_fn kernels_add_gated;

/*
 * Rotary positions, in place over n_head heads of d_head numbers side by side in rows of x (q and k
 * are neighbours: one call). The first n_rotary numbers of a head turn in pairs, the others stay:
 * (a, b) becomes (a·cos - b·sin, b·cos + a·sin). Pair i is numbers i and i + n_rotary/2, or 2i and
 * 2i + 1 when is_interleaved. table[position][n_rotary] = cos of all pairs, then sin of all pairs.
 */
typedef void kernels_rotary_fn(float *x, int64_t ldx, const int32_t *positions, const float *table,
                               int32_t m, int32_t n_head, int32_t d_head, int32_t n_rotary,
                               int32_t is_interleaved);
KERNELS_API kernels_rotary_fn kernels_rotary;

/*
 * KV cache, in f32 or bf16 (rounded to nearest even). `kv` points at one layer inside block 0;
 * block b's part of that layer is at kv + b * block_stride (bytes). A layer's part of a block: keys
 * [n_kv_head][d_head][32] (transposed: lanes are tokens), then values [n_kv_head][32][d_pad], d_pad
 * = d_head rounded up to 16, zero padded.
 */
/* Bytes of one layer of one block. */
KERNELS_API int64_t kernels_kv_layer_bytes(int32_t kv_dtype, int32_t n_kv_head, int32_t d_head);
/* Copy keys k[m, n_kv_head·d_head] and values v[m, n_kv_head·d_head], both with row stride ldkv,
 * into slots[i] = block · 32 + offset. */
typedef void kernels_kv_store_fn(int32_t kv_dtype, void *kv, int64_t block_stride, const float *k,
                                 const float *v, int64_t ldkv, const int32_t *slots, int32_t m,
                                 int32_t n_kv_head, int32_t d_head);
KERNELS_API kernels_kv_store_fn kernels_kv_store;
/* Scratch of kernels_attention for contexts up to max_context tokens, all pool threads together
 * (call again after kernels_threads_set). */
KERNELS_API int64_t kernels_attention_scratch_bytes(int32_t max_context);
/* Consecutive rows of one sequence, whose KV blocks are tables[table], tables[table + 1], … */
typedef struct {
    int32_t first_row, n_rows;
    int32_t position; /* of the first row */
    int32_t table;
} kernels_span;
/*
 * Causal attention of every row of q[m, n_head·d_head] over its sequence's blocks. n_kv_head
 * divides n_head: head h reads keys and values of head h / (n_head / n_kv_head). The row at
 * position p attends to its last `window` positions, its own included, or to 0 … p when window is
 * 0; position t lies in block tables[table + t / 32]. Blocks before the window are not touched. s =
 * q·k · scale, then soft_cap · tanh(s / soft_cap) when soft_cap > 0; w = softmax(s); out[row,
 * head·d_head …] = Σ w v. Keys and values of the rows themselves are already stored.
 */
typedef void kernels_attention_fn(float *out, int64_t ldo, const float *q, int64_t ldq,
                                  int32_t kv_dtype, const void *kv, int64_t block_stride,
                                  const kernels_span *spans, int32_t n_spans, const int32_t *tables,
                                  int32_t n_head, int32_t n_kv_head, int32_t d_head, int32_t window,
                                  float scale, float soft_cap, void *scratch);
KERNELS_API kernels_attention_fn kernels_attention;
/*
 * Activation in place over u[m, f]. gelu by tanh, gelu_erf exactly, relu_squared = relu(x)².
 * Gated: u[m, 2f], out = g(u[:, 0…f)) · u[:, f…2f) into the first f columns with g = silu (swiglu),
 * gelu (geglu), gelu_erf, relu (reglu) or relu_squared. params: universal {gate[f], skip[f]},
 * kan_spline {c0[f] … c4[f]}, each array at a stride of f rounded up to 16 floats; composed:
 * factors[n_ops] (f32), program[n_ops] (int32).
 */
typedef void kernels_activation_fn(int32_t activation, float *u, int64_t ldu, int32_t m, int32_t f,
                                   const float *params, const int32_t *program, int32_t n_ops);
KERNELS_API kernels_activation_fn kernels_activation;

/* ---- sampling over rows of logits ---- */

/* logits[i] = -infinity where bit i of mask is 0. */
typedef void kernels_mask_logits_fn(float *logits, const uint32_t *mask, int32_t vocab);
KERNELS_API kernels_mask_logits_fn kernels_mask_logits;
/* log Σ exp(logits), maximum subtracted. */
typedef double kernels_log_sum_exp_fn(const float *logits, int32_t vocab);
KERNELS_API kernels_log_sum_exp_fn kernels_log_sum_exp;
/* The k largest, best first, ties to the lowest id. k ≤ vocab. */
typedef void kernels_top_k_fn(const float *logits, int32_t vocab, int32_t k, int32_t *ids,
                              float *values);
KERNELS_API kernels_top_k_fn kernels_top_k;
/* Scratch of kernels_sample, all pool threads together. */
KERNELS_API int64_t kernels_sample_scratch_bytes(int32_t vocab);
/*
 * Draw one token for each of n rows; row i reads logits + rows[i] · ldl.
 * temperature 0 or top_k 1: arg-max, ties to the lowest id. Else z = logit · (1 / temperature) in
 * f32; top_k > 0 drops z below the k-th largest (ties stay); p = exp(z - max); top_p < 1 keeps, in
 * order of (p descending, id ascending), the smallest prefix whose f64 sum reaches top_p of the
 * whole; min_p > 0 drops p < min_p. The draw goes through the kept tokens in id order with f64
 * sums: the first whose running sum exceeds u · total. u in [0, 1) has 53 bits: ((x0 >> 5) · 2^26 +
 * (x1 >> 6)) / 2^53 from Philox4x32-10 (Salmon et al. 2011) with key seeds[2i], seeds[2i+1] and
 * counter {counters[i], choices[i], 0, 0}. NaN logits count as -infinity; a row of
 * nothing else gives id 0. A temperature so small that z overflows draws greedily.
 */
typedef void kernels_sample_fn(int32_t *out_ids, const float *logits, int64_t ldl, int32_t vocab,
                               int32_t n, const int32_t *rows, const float *temperatures,
                               const int32_t *top_ks, const float *top_ps, const float *min_ps,
                               const uint32_t *seeds, const int32_t *choices,
                               const int32_t *counters, void *scratch);
KERNELS_API kernels_sample_fn kernels_sample;
/* The u of kernels_sample. The low half of seed is the first key. */
KERNELS_API double kernels_uniform(int64_t seed, int32_t choice, int32_t counter);

/* ---- measurement: the machine's own limits, for the benchmark ---- */

/* Read `bytes` (multiple of 4096) of buffer once with all pool threads; returns a checksum. */
typedef float kernels_measure_read_fn(const void *buffer, int64_t bytes);
KERNELS_API kernels_measure_read_fn kernels_measure_read;
/* iterations × 24 independent vector FMAs on every pool thread; returns floating point operations
 * done by all threads together (2 per lane and FMA). */
typedef double kernels_measure_fma_fn(int64_t iterations);
KERNELS_API kernels_measure_fma_fn kernels_measure_fma;
/* The same, of iterations tiles of kernels_matmul whose numbers, f32, lie in the first cache. */
typedef double kernels_measure_tile_fn(int64_t iterations);
KERNELS_API kernels_measure_tile_fn kernels_measure_tile;
/* 8-bit multiply-adds of iterations × some groups of 256 inputs on every pool thread, in registers
 * and the first cache; with has_scales != 0 each group ends as in kernels_matmul. Returns how many
 * all threads did together. */
typedef double kernels_measure_dot_fn(int64_t iterations, int32_t has_scales);
KERNELS_API kernels_measure_dot_fn kernels_measure_dot;

#endif
