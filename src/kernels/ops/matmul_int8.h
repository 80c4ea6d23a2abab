/*
 * out[m, n] = x[m, k] · w[k, n] with int8 weights. Each row of x is quantised on the fly like the
 * weights (int8_group.h). The products of a group are summed as integers, exactly; the groups are
 * combined in order by one chain of fused multiply-adds with scale(w) · scale(x).
 */
#ifndef ALPHA_OPS_MATMUL_INT8_H
#define ALPHA_OPS_MATMUL_INT8_H

#include "int8_group.h"
#include "matmul_job.h"

static inline int8_numbers *int8_row_at(void *scratch, int32_t row, int32_t k) {
    return (int8_numbers *)scratch + row * int8_groups(k);
}

static void quantise_row(int8_numbers *to, const float *x, int32_t k) {
    for (int32_t i = 0; i < k; i += INT8_GROUP, to++)
        quantise_group(place_in(to), x + i, k - i, true);
}

static void quantise_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const matmul_job *job = context;
    for (int64_t row = begin; row < end; row++)
        quantise_row(int8_row_at(job->scratch, (int32_t)row, job->k), job->x + row * job->ldx,
                     job->k);
}

/* Products of a slice of inputs, `n_quads` quads, with a panel's weights, added to integer sums. */
INLINE void int8_slice(vi32 (*dot)[4], const int8_t *x, int64_t x_stride, const char *weights,
                       const int32_t n_quads, const int32_t rows, const int32_t vecs,
                       const int32_t vec_first) {
    const int32_t vec_bytes = n_quads * INT8_QUAD_BYTES;
    weights += vec_bytes * vec_first;
    if (rows == 1) {
        /* It waits for memory, which is quickest in order. */
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            for (int32_t q = 0; q < n_quads; q++, weights += INT8_QUAD_BYTES) {
                int32_t quad;
                memcpy(&quad, x + INT8_QUAD * q, sizeof quad);
                dot[0][v] =
                    vq8_dot(dot[0][v], vq8_weights((const int8_t *)weights), vq8_broadcast(quad));
            }
        }
        return;
    }
    for (int32_t q = 0; q < n_quads; q++, weights += INT8_QUAD_BYTES) {
        vq8 w[4];
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            const char *from = weights + vec_bytes * v;
            /* The processor follows the vectors of a slice too late, from the second cache too. */
            read_ahead(from, INT8_QUAD_BYTES);
            w[v] = vq8_kept(vq8_weights((const int8_t *)from));
        }
        UNROLL for (int32_t r = 0; r < rows; r++) {
            int32_t quad;
            memcpy(&quad, x + r * x_stride + INT8_QUAD * q, sizeof quad);
            vq8_row xr = vq8_broadcast(quad);
            UNROLL for (int32_t v = 0; v < vecs; v++) { dot[r][v] = vq8_dot(dot[r][v], w[v], xr); }
        }
    }
}

/* What a tile fetches of the panel that comes next: evenly, since few lines can be under way. */
typedef struct {
    const char *from;
    int32_t rate; /* lines with each slice of inputs, in 256ths */
    int32_t due;
} next_part;

/* Part number `part` of `n_parts`, which together are the panel. */
static inline next_part next_part_of(const matmul_job *job, const char *panel, int32_t part,
                                     int32_t n_parts) {
    const int64_t bytes = panel_bytes(KERNELS_DTYPE_INT8, job->k);
    const int64_t n_lines = (bytes / LINE_BYTES + n_parts - 1) / n_parts;
    const int64_t n_slices = round_up(job->k, INT8_SLICE) / INT8_SLICE;
    const int64_t skipped = part * n_lines * LINE_BYTES;
    const int64_t rate = skipped < bytes ? (256 * n_lines + n_slices - 1) / n_slices : 0;
    return (next_part){panel + bytes + skipped, (int32_t)rate, 0};
}

/* With each slice of inputs, in order. */
INLINE void fetch_next(next_part *next) {
    for (next->due += next->rate; next->due >= 256; next->due -= 256, next->from += LINE_BYTES)
        __builtin_prefetch(next->from, 0, 2);
}

/* One group, `count` inputs of it: their products added to the chains. */
INLINE void int8_group(vf32 (*chain)[4], const int8_numbers *x, int64_t n_groups, const char *panel,
                       next_part *next, const int32_t count, const int32_t rows, const int32_t vecs,
                       const int32_t vec_first) {
    const float *scales = (const float *)panel + 16 * vec_first;
    const int16_t *sums = (const int16_t *)(panel + INT8_SCALES_BYTES) + 16 * vec_first;
    vi32 dot[TILE_ROWS][4];
    UNROLL for (int32_t v = 0; v < vecs; v++) {
        const vi32 start = vq8_start(sums + 16 * v);
        UNROLL for (int32_t r = 0; r < rows; r++) { dot[r][v] = start; }
    }
    const char *weights = panel + INT8_HEAD_BYTES;
    const int64_t x_stride = n_groups * (int64_t)sizeof *x;
    const int8_t *bytes = x->bytes;
    for (int32_t i = 0; i < count / INT8_SLICE; i++) {
        fetch_next(next);
        int8_slice(dot, bytes, x_stride, weights, INT8_SLICE / INT8_QUAD, rows, vecs, vec_first);
        bytes += INT8_SLICE;
        weights += INT8_SLICE_BYTES;
    }
    if (count % INT8_SLICE > 0) {
        fetch_next(next);
        int8_slice(dot, bytes, x_stride, weights, quads_of(count % INT8_SLICE), rows, vecs,
                   vec_first);
    }
    UNROLL for (int32_t r = 0; r < rows; r++) {
        vf32 x_scale = vf32_set1(x[r * n_groups].scale);
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            vf32 scale = vf32_mul(vf32_load(scales + 16 * v), x_scale);
            chain[r][v] = vf32_fma(vi32_to_float(dot[r][v]), scale, chain[r][v]);
        }
    }
}

INLINE void int8_tile(const matmul_job *job, const char *panel, const float *bias, float *out,
                      int32_t row, next_part next, const int32_t rows, const int32_t vecs,
                      const int32_t vec_first) {
    vf32 chain[TILE_ROWS][4];
    UNROLL for (int32_t r = 0; r < rows; r++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) { chain[r][v] = vf32_zero(); }
    }
    const int64_t n_groups = int8_groups(job->k);
    const int8_numbers *x = int8_row_at(job->scratch, row, job->k);
    const int32_t n_whole = job->k / INT8_GROUP, left = job->k % INT8_GROUP;
    for (int32_t g = 0; g < n_whole; g++, x++, panel += INT8_GROUP_BYTES)
        int8_group(chain, x, n_groups, panel, &next, INT8_GROUP, rows, vecs, vec_first);
    if (left > 0)
        int8_group(chain, x, n_groups, panel, &next, left, rows, vecs, vec_first);
    if (bias != NULL) {
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            const vf32 added = vf32_load(bias + 16 * (vec_first + v));
            UNROLL for (int32_t r = 0; r < rows; r++) {
                chain[r][v] = vf32_add(chain[r][v], added);
            }
        }
    }
    const int64_t ldo = job->ldo;
    out += 16 * vec_first;
    if (job->is_added) {
        UNROLL for (int32_t r = 0; r < rows; r++) {
            UNROLL for (int32_t v = 0; v < vecs; v++) {
                chain[r][v] = vf32_add(vf32_load(out + r * ldo + 16 * v), chain[r][v]);
            }
        }
    }
    UNROLL for (int32_t r = 0; r < rows; r++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            vf32_store(out + r * ldo + 16 * v, chain[r][v]);
        }
    }
}

/* Tiles beside each other that make up a panel, where they have all of their rows. */
#define INT8_TILE_PASSES (KERNELS_PANEL / 16 / TILE_VECS(TILE_ROWS, TILE_BUDGET_INT8))

/* Tiles beside each other, number `tile` of a unit's from above; n_fetching of the unit's fetch the
 * panel that comes next. */
INLINE void int8_rows(const matmul_job *job, const char *panel, const float *bias, float *out,
                      int32_t row, int32_t n_vecs, int32_t tile, int32_t n_fetching,
                      const int32_t rows) {
    const int32_t vecs = TILE_VECS(rows, TILE_BUDGET_INT8);
    int32_t part = tile * INT8_TILE_PASSES;
    for (int32_t vec = 0; vec < n_vecs; vec += vecs, part++) {
        next_part next = {0};
        if (rows == TILE_ROWS && n_fetching > 0)
            next = next_part_of(job, panel, part, n_fetching);
        int8_tile(job, panel, bias, out, row, next, rows, vecs, vec);
    }
}

/* One panel for rows row … row + n_rows - 1. */
static void int8_panel(const matmul_job *job, int64_t index, int32_t row, int32_t n_rows) {
    const char *panel = (const char *)job->w + index * panel_bytes(KERNELS_DTYPE_INT8, job->k);
    _Alignas(64) float padded_bias[KERNELS_PANEL];
    const float *bias = panel_bias(job, index, padded_bias);
    const int32_t n_vecs = panel_vecs(job, index);
    /* Few rows are done with a panel before the next one could arrive. */
    const bool looks_ahead = n_rows >= 4 * TILE_ROWS;
    const int32_t n_fetching = looks_ahead ? full_tiles_of(n_rows) * INT8_TILE_PASSES : 0;
    for (int32_t r = 0, rows; r < n_rows; r += rows) {
        rows = next_tile_rows(n_rows - r);
        float *out = job->out + (row + r) * job->ldo + index * KERNELS_PANEL;
        BY_ROWS(rows,
                int8_rows(job, panel, bias, out, row + r, n_vecs, r / TILE_ROWS, n_fetching, ROWS));
    }
}

#endif
