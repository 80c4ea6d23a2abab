/*
 * matmul_int8.h for processors with matrix registers: the integer sums of a group for up to two
 * blocks of 16 rows and two vectors of 16 columns at once, combined by the same chains.
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
        const int8_place place = {to->slices[0][row], sizeof to->slices[0], to->scales + row};
        quantise_group(place, x + i, k - i, false);
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

/* Blocks of 16 rows × vectors of 16 columns that are computed together, one or two of each: two by
 * two, inputs and weights that were loaded serve two products. */
#define PATCH_SIDE 2

typedef struct {
    const int8_block *x; /* of the first block; the second's groups are behind its own */
    const char *panel;
    int32_t vec; /* of the panel's columns, the first */
    float *out;
    const float *bias; /* of its columns, NULL = none */
    int32_t n_rows;    /* wanted from its first one on; can be more than it has */
} matrix_patch;

/* Of a patch's tiles: a group's sums, and what was summed of the groups before. */
typedef struct {
    _Alignas(64) int32_t group[PATCH_SIDE * PATCH_SIDE][INT8_BLOCK_ROWS * 16];
    float chains[PATCH_SIDE * PATCH_SIDE][INT8_BLOCK_ROWS * 16];
} matrix_sums;

/* Products of a slice; meanwhile each tile's part of what comes next is fetched. */
INLINE void matrix_slice(const int8_t *x, int64_t block_bytes, const int8_t *w, next_part *next,
                         const int32_t n_blocks, const int32_t n_vecs) {
    UNROLL for (int32_t vec = 0; vec < n_vecs; vec++) {
        mq8_load_weights(w + vec * (INT8_SLICE_BYTES / TILES_PER_PANEL));
        UNROLL for (int32_t block = 0; block < n_blocks; block++) {
            fetch_next(next);
            if (vec == 0)
                mq8_load_inputs(block, x + block * block_bytes);
            mq8_add(block * n_vecs + vec, block);
        }
    }
}

/* Starts on the sums of a patch's group, which stay in registers. Inputs that are not whole slices
 * are for patches of one tile only. */
INLINE void matrix_dot(const matrix_patch *patch, int32_t k, int32_t g, next_part *next,
                       const int32_t n_blocks, const int32_t n_vecs) {
    const int8_block *x = patch->x + g;
    const int64_t block_bytes = int8_groups(k) * (int64_t)sizeof *x;
    const char *group = patch->panel + (int64_t)g * INT8_GROUP_BYTES;
    const int8_t *w = (const int8_t *)group + INT8_HEAD_BYTES;
    const int32_t left = k - g * INT8_GROUP, count = left < INT8_GROUP ? left : INT8_GROUP;
    UNROLL for (int32_t tile = 0; tile < n_blocks * n_vecs; tile++) { mq8_clear(tile); }
    int32_t slice = 0;
    for (; slice < count / INT8_SLICE; slice++, w += INT8_SLICE_BYTES)
        matrix_slice(x->slices[slice][0], block_bytes,
                     w + patch->vec * (INT8_SLICE_BYTES / TILES_PER_PANEL), next, n_blocks, n_vecs);
    const int32_t rest_quads = quads_of(count % INT8_SLICE);
    if (n_blocks * n_vecs == 1 && rest_quads > 0) {
        fetch_next(next);
        mq8_add_rest(0, x->slices[slice][0], w + patch->vec * rest_quads * INT8_QUAD_BYTES);
    }
}

/* Adds a group's sums to the chains of `rows` rows; those of the last group go out. */
INLINE void matrix_chains(const matmul_job *job, const matrix_patch *patch, int32_t g,
                          matrix_sums *sums, const int32_t rows, const int32_t n_blocks,
                          const int32_t n_vecs, const bool is_first, const bool is_last) {
    const char *group = patch->panel + (int64_t)g * INT8_GROUP_BYTES;
    UNROLL for (int32_t tile = 0; tile < n_blocks * n_vecs; tile++) {
        const int32_t block = tile / n_vecs, vec = tile % n_vecs;
        const float *x_scales = patch->x[block * int8_groups(job->k) + g].scales;
        const vf32 w_scale = vf32_load((const float *)group + 16 * (patch->vec + vec));
        float *out = patch->out + block * INT8_BLOCK_ROWS * job->ldo + 16 * vec;
        UNROLL for (int32_t r = 0; r < rows; r++) {
            if (is_last && block * INT8_BLOCK_ROWS + r >= patch->n_rows)
                break;
            float *chain = sums->chains[tile] + 16 * r;
            const vf32 scale = vf32_mul(w_scale, vf32_set1(x_scales[r]));
            vf32 sum = vf32_fma(vi32_to_float(vi32_load(sums->group[tile] + 16 * r)), scale,
                                is_first ? vf32_zero() : vf32_load(chain));
            if (is_last && patch->bias != NULL)
                sum = vf32_add(sum, vf32_load(patch->bias + 16 * vec));
            if (is_last && job->is_added)
                sum = vf32_add(vf32_load(out + r * job->ldo), sum);
            vf32_store(is_last ? out + r * job->ldo : chain, sum);
        }
    }
}

/* The sums of a group are taken up while those of the next are on their way. */
INLINE void matrix_product(const matmul_job *job, const matrix_patch *patch, next_part *next,
                           const int32_t rows, const int32_t n_blocks, const int32_t n_vecs) {
    matrix_sums sums;
    const int32_t last = (int32_t)int8_groups(job->k) - 1;
    for (int32_t g = 0; g <= last; g++) {
        matrix_dot(patch, job->k, g, next, n_blocks, n_vecs);
        if (g == 1)
            matrix_chains(job, patch, 0, &sums, rows, n_blocks, n_vecs, true, false);
        else if (g > 1)
            matrix_chains(job, patch, g - 1, &sums, rows, n_blocks, n_vecs, false, false);
        UNROLL for (int32_t tile = 0; tile < n_blocks * n_vecs; tile++) {
            mq8_store(tile, sums.group[tile]);
        }
    }
    if (last == 0)
        matrix_chains(job, patch, 0, &sums, rows, n_blocks, n_vecs, true, true);
    else
        matrix_chains(job, patch, last, &sums, rows, n_blocks, n_vecs, false, true);
}

/* Vectors vec … end - 1 of a panel's columns for rows row … row + n_rows - 1, of which `rows` of
 * each block are computed, in patches of n_blocks × n_vecs. */
INLINE void matrix_patches(const matmul_job *job, int64_t index, const float *bias, int32_t row,
                           int32_t n_rows, int32_t vec, int32_t end, const int32_t rows,
                           const int32_t n_blocks, const int32_t n_vecs) {
    const char *panel = (const char *)job->w + index * panel_bytes(KERNELS_DTYPE_INT8, job->k);
    /* All tiles of a panel together fetch the one that comes next. */
    const int32_t n_tiles = ((job->rows_per_unit - 1) / INT8_BLOCK_ROWS + 1) * TILES_PER_PANEL;
    for (; n_rows > 0; n_rows -= n_blocks * INT8_BLOCK_ROWS, row += n_blocks * INT8_BLOCK_ROWS) {
        const int32_t block = row % job->rows_per_unit / INT8_BLOCK_ROWS;
        for (int32_t v = vec; v < end; v += n_vecs) {
            const matrix_patch patch = {
                .x = int8_block_at(job->scratch, row, job->k),
                .panel = panel,
                .vec = v,
                .out = job->out + row * job->ldo + index * KERNELS_PANEL + 16 * v,
                .bias = bias == NULL ? NULL : bias + 16 * v,
                .n_rows = n_rows,
            };
            next_part next =
                next_part_of(job, panel, block * TILES_PER_PANEL + v * n_blocks, n_tiles);
            matrix_product(job, &patch, &next, rows, n_blocks, n_vecs);
        }
    }
}

/* One panel for rows row … row + n_rows - 1. */
static void matrix_panel(const matmul_job *job, int64_t index, int32_t row, int32_t n_rows) {
    enum { BLOCK = INT8_BLOCK_ROWS, SIDE = PATCH_SIDE };
    _Alignas(64) float padded_bias[KERNELS_PANEL];
    const float *bias = panel_bias(job, index, padded_bias);
    const int32_t n_vecs = panel_vecs(job, index), rest_quads = quads_of(job->k % INT8_SLICE);
    /* Rows in pairs of blocks; the second can lack some. All registers are taken then, so none are
     * left for fewer inputs than 64. */
    const int32_t behind = n_rows % (SIDE * BLOCK);
    const int32_t paired = rest_quads > 0 ? 0 : behind > BLOCK ? n_rows : n_rows - behind;
    const int32_t left = (n_rows - paired) % BLOCK;
    /* Registers of half as many rows take half of the time; as the second of a pair, a whole block
     * takes less. */
    const int32_t halved = left <= BLOCK / 2 ? left : 0, single = n_rows - paired - halved;
    if (paired + single > 0)
        mq8_begin(BLOCK, rest_quads);
    if (paired > 0) {
        const int32_t in_pairs = n_vecs - n_vecs % SIDE;
        matrix_patches(job, index, bias, row, paired, 0, in_pairs, BLOCK, SIDE, SIDE);
        matrix_patches(job, index, bias, row, paired, in_pairs, n_vecs, BLOCK, SIDE, 1);
    }
    if (single > 0)
        matrix_patches(job, index, bias, row + paired, single, 0, n_vecs, BLOCK, 1, 1);
    if (halved > 0) {
        mq8_begin(BLOCK / 2, rest_quads);
        matrix_patches(job, index, bias, row + paired + single, halved, 0, n_vecs, BLOCK / 2, 1, 1);
    }
    mq8_end();
}

#endif
#endif
