/* How bytes lie in the buffers that callers own: sizes for memory.c, offsets for the ops. */
#ifndef ALPHA_LAYOUT_H
#define ALPHA_LAYOUT_H

#include "kernels.h"

static inline int64_t round_up(int64_t count, int64_t multiple) {
    return (count + multiple - 1) / multiple * multiple;
}

/* ---- packed weights ---- */

static inline int64_t panels_of(int32_t n) { return round_up(n, KERNELS_PANEL) / KERNELS_PANEL; }

/* Inputs that share one int8 scale; of these, a slice is what one matrix instruction takes. */
#define INT8_GROUP 256
#define INT8_SLICE 64
#define INT8_GROUP_SLICES (INT8_GROUP / INT8_SLICE)
/* A group whose largest magnitude is below this counts as zeros: its inverse would overflow. */
#define INT8_MAGNITUDE_MIN 1e-30f
/* Inputs that one integer dot product takes. */
#define INT8_QUAD 4
/* A panel's group is an f32 scale for each column, the sum of its numbers in 16 bits for each, then
 * one slice of inputs after the other; a slice is [4][quads][16 columns][INT8_QUAD inputs]. */
#define INT8_SCALES_BYTES (KERNELS_PANEL * 4)
#define INT8_HEAD_BYTES (INT8_SCALES_BYTES + KERNELS_PANEL * 2)
#define INT8_SLICE_BYTES (KERNELS_PANEL * INT8_SLICE)
#define INT8_QUAD_BYTES (16 * INT8_QUAD)
#define INT8_GROUP_BYTES (INT8_HEAD_BYTES + INT8_GROUP_SLICES * INT8_SLICE_BYTES)

/* Of a slice, where so many inputs are left. */
static inline int32_t quads_of(int32_t left) {
    return left >= INT8_SLICE ? INT8_SLICE / INT8_QUAD : (left + INT8_QUAD - 1) / INT8_QUAD;
}

static inline int64_t int8_groups(int32_t k) { return round_up(k, INT8_GROUP) / INT8_GROUP; }

static inline int64_t panel_bytes(int32_t dtype, int32_t k) {
    if (dtype == KERNELS_DTYPE_F32)
        return (int64_t)k * KERNELS_PANEL * 4;
    if (dtype == KERNELS_DTYPE_BF16)
        return (int64_t)k * KERNELS_PANEL * 2;
    return int8_groups(k) * INT8_HEAD_BYTES + round_up(k, INT8_QUAD) * KERNELS_PANEL;
}

/* A group of numbers, quantised; its bytes are set up to a whole slice. A row of inputs is its
 * groups, as vq8_inputs left their bytes. */
typedef struct {
    int8_t bytes[INT8_GROUP];
    float scale;
} int8_numbers;
static inline int64_t int8_row_bytes(int32_t k) {
    return int8_groups(k) * (int64_t)sizeof(int8_numbers);
}

/* The same of 16 rows, as matrix registers take it. */
#define INT8_BLOCK_ROWS 16
typedef struct {
    int8_t slices[INT8_GROUP_SLICES][INT8_BLOCK_ROWS][INT8_SLICE];
    float scales[INT8_BLOCK_ROWS];
} int8_block;
_Static_assert(sizeof(int8_block) <= INT8_BLOCK_ROWS * sizeof(int8_numbers),
               "either form fits in the scratch of whole blocks");

/* ---- KV blocks, attention, sampling ---- */

/* Numbers of one value in a block, and bytes of a number. */
static inline int64_t value_numbers(int32_t d_head) { return round_up(d_head, 16); }
static inline int64_t kv_number_bytes(int32_t kv_dtype) {
    return kv_dtype == KERNELS_DTYPE_F32 ? 4 : 2;
}

/* Heads that the attention of one row takes together: rows of scores per thread. */
#define HEADS_PER_PASS 16

/* Arrays of one word per token that a row's draw needs; their stride. */
#define SAMPLE_ARRAYS 7
static inline int64_t sample_stride(int32_t vocab) { return round_up(vocab, 16); }

#endif
