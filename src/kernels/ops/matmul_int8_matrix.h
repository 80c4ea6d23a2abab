/*
 * matmul_int8.h for processors with matrix registers: the integer sums of a group for 16 rows and
 * 16 columns at once, combined by the same chains.
 */
#ifndef ALPHA_OPS_MATMUL_INT8_MATRIX_H
#define ALPHA_OPS_MATMUL_INT8_MATRIX_H

#include "matmul_int8.h"

#ifdef HAS_MATRIX_DOT

/* With fewer rows AVX-512 is as fast or faster. */
#define MATRIX_ROWS_MIN 6
#define TILES_PER_PANEL (KERNELS_PANEL / 16)

static inline int8_block *int8_block_at(void *scratch, int32_t row, int32_t k) {
    return (int8_block *)scratch + row / INT8_BLOCK_ROWS * int8_groups(k);
}

static void quantise_block_row(int8_block *to, int32_t row, const float *x, int32_t k) {
    for (int32_t i = 0; i < k; i += INT8_GROUP, to++) {
        int8_numbers group;
        quantise_group(&group, x + i, k - i, false);
        for (int32_t slice = 0; slice < INT8_GROUP_SLICES; slice++)
            memcpy(to->slices[slice][row], group.bytes + INT8_SLICE * slice, INT8_SLICE);
        to->scales[row] = group.scale;
    }
}

static void quantise_block_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const matmul_job *job = context;
    for (int64_t row = begin; row < end; row++)
        quantise_block_row(int8_block_at(job->scratch, (int32_t)row, job->k),
                           (int32_t)row % INT8_BLOCK_ROWS, job->x + row * job->ldx, job->k);
    if (end < job->m)
        return;
    /* What stands behind the last row is multiplied, too: a scale of zero keeps it from being slow.
     */
    int8_block *last = int8_block_at(job->scratch, job->m - 1, job->k);
    for (int64_t g = 0; g < int8_groups(job->k); g++) {
        for (int32_t row = (job->m - 1) % INT8_BLOCK_ROWS + 1; row < INT8_BLOCK_ROWS; row++)
            last[g].scales[row] = 0;
    }
}

/* Up to 16 rows × 16 columns. */
typedef struct {
    const int8_block *x;
    const char *panel;
    int32_t vec; /* of the panel's columns */
    int32_t k;
    next_part next;
} matrix_tile;

/* Starts on the sums of a group, of none behind the last; meanwhile the tile's part of the next
 * panel is fetched. */
INLINE void matrix_dot(matrix_tile *tile, int32_t g, int32_t *sums, const int32_t slot) {
    const int32_t left = tile->k - g * INT8_GROUP;
    if (left <= 0)
        return;
    const int8_block *x = tile->x + g;
    const int8_t *weights =
        (const int8_t *)tile->panel + (int64_t)g * INT8_GROUP_BYTES + INT8_SCALES_BYTES;
    mq8_clear(slot);
    UNROLL for (int32_t slice = 0; slice < INT8_GROUP_SLICES; slice++) {
        const int32_t n_quads = quads_of(left - slice * INT8_SLICE);
        if (n_quads <= 0)
            break;
        const int8_t *from =
            weights + slice * INT8_SLICE_BYTES + tile->vec * n_quads * INT8_QUAD_BYTES;
        fetch_next(&tile->next);
        if (n_quads == INT8_SLICE / INT8_QUAD)
            mq8_add(slot, slice % 2, x->slices[slice][0], from);
        else
            mq8_add_rest(slot, x->slices[slice][0], from);
    }
    mq8_store(slot, sums);
}

/* A group's sums added to the chains. */
INLINE void matrix_chains(vf32 *chain, const matrix_tile *tile, int32_t g, const int32_t *sums,
                          const int32_t rows) {
    const char *group = tile->panel + (int64_t)g * INT8_GROUP_BYTES;
    const vf32 w_scale = vf32_load((const float *)group + 16 * tile->vec);
    UNROLL for (int32_t r = 0; r < rows; r++) {
        const vf32 scale = vf32_mul(w_scale, vf32_set1(tile->x[g].scales[r]));
        chain[r] = vf32_fma(vi32_to_float(vi32_load(sums + 16 * r)), scale, chain[r]);
    }
}

/* The sums of a group are taken up while those of the next are on their way. */
INLINE void matrix_sums(vf32 *chain, matrix_tile *tile, const int32_t rows) {
    _Alignas(64) int32_t sums[2][INT8_BLOCK_ROWS * 16];
    UNROLL for (int32_t r = 0; r < rows; r++) { chain[r] = vf32_zero(); }
    matrix_dot(tile, 0, sums[0], 0);
    const int32_t n_groups = (int32_t)int8_groups(tile->k);
    for (int32_t g = 0; g < n_groups; g += 2) {
        matrix_dot(tile, g + 1, sums[1], 1);
        matrix_chains(chain, tile, g, sums[0], rows);
        if (g + 1 == n_groups)
            break;
        matrix_dot(tile, g + 2, sums[0], 0);
        matrix_chains(chain, tile, g + 1, sums[1], rows);
    }
}

INLINE void matrix_store(const matmul_job *job, float *out, const vf32 *chain, const float *bias,
                         int32_t n_rows, const int32_t rows) {
    UNROLL for (int32_t r = 0; r < rows; r++) {
        if (r >= n_rows)
            break;
        vf32 sum = bias == NULL ? chain[r] : vf32_add(chain[r], vf32_load(bias));
        if (job->is_added)
            sum = vf32_add(vf32_load(out + r * job->ldo), sum);
        vf32_store(out + r * job->ldo, sum);
    }
}

/* One panel for the block that begins at a row: `rows` are computed, at most n_rows count. */
INLINE void matrix_block(const matmul_job *job, int64_t index, const float *bias, int32_t row,
                         int32_t n_rows, const int32_t rows) {
    const char *panel = (const char *)job->w + index * panel_bytes(KERNELS_DTYPE_INT8, job->k);
    float *out = job->out + row * job->ldo + index * KERNELS_PANEL;
    const int32_t n_vecs = panel_vecs(job, index);
    /* All tiles of a panel together fetch the one that comes next. */
    const int32_t block = row % job->rows_per_unit / INT8_BLOCK_ROWS;
    const int32_t n_tiles = ((job->rows_per_unit - 1) / INT8_BLOCK_ROWS + 1) * TILES_PER_PANEL;
    for (int32_t vec = 0; vec < n_vecs; vec++) {
        matrix_tile tile = {
            .x = int8_block_at(job->scratch, row, job->k),
            .panel = panel,
            .vec = vec,
            .k = job->k,
            .next = next_part_of(job, panel, block * TILES_PER_PANEL + vec, n_tiles),
        };
        vf32 chain[INT8_BLOCK_ROWS];
        matrix_sums(chain, &tile, rows);
        matrix_store(job, out + 16 * vec, chain, bias == NULL ? NULL : bias + 16 * vec, n_rows,
                     rows);
    }
}

/* One panel for rows row … row + n_rows - 1. */
static void matrix_panel(const matmul_job *job, int64_t index, int32_t row, int32_t n_rows) {
    _Alignas(64) float padded_bias[KERNELS_PANEL];
    const float *bias = panel_bias(job, index, padded_bias);
    const int32_t rest_quads = quads_of(job->k % INT8_SLICE);
    if (n_rows > INT8_BLOCK_ROWS / 2)
        mq8_begin(INT8_BLOCK_ROWS, rest_quads);
    for (; n_rows > INT8_BLOCK_ROWS / 2; n_rows -= INT8_BLOCK_ROWS, row += INT8_BLOCK_ROWS)
        matrix_block(job, index, bias, row, n_rows, INT8_BLOCK_ROWS);
    if (n_rows > 0) {
        mq8_begin(INT8_BLOCK_ROWS / 2, rest_quads);
        matrix_block(job, index, bias, row, n_rows, INT8_BLOCK_ROWS / 2);
    }
    mq8_end();
}

#endif
#endif
