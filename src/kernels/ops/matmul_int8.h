/*
 * out[m, n] = x[m, k] · w[k, n] with int8 weights. Each row of x is quantised on the fly like the
 * weights: per group of 64 inputs a scale and bytes in -127 … 127. The products of a group are
 * summed as integers, exactly; the groups are combined in order by one chain of fused multiply-adds
 * with scale(w) · scale(x).
 */
#ifndef ALPHA_OPS_MATMUL_INT8_H
#define ALPHA_OPS_MATMUL_INT8_H

#include "elementary.h"
#include "matmul_job.h"

static inline int8_inputs *int8_row_at(void *scratch, int32_t row, int32_t k) {
    return (int8_inputs *)scratch + row * int8_groups(k);
}

typedef struct {
    vf32 part[INT8_GROUP / 16];
} int8_group_values;

/* The first `count` numbers of a group, zeros behind. */
INLINE int8_group_values group_values(const float *x, int32_t count) {
    int8_group_values values;
    UNROLL for (int32_t v = 0; v < INT8_GROUP / 16; v++) {
        const int32_t lanes = count - 16 * v;
        values.part[v] = lanes >= 16 ? vf32_load(x + 16 * v)
                         : lanes > 0 ? vf32_load_n(x + 16 * v, lanes)
                                     : vf32_zero();
    }
    return values;
}

/* Sets a group's scale and returns what makes its numbers -127 … 127. Infinities and NaN make the
 * scale NaN, so that they are not lost. */
INLINE float scale_group(int8_inputs *to, const int8_group_values values) {
    vf32 magnitudes = vf32_zero(), poison = vf32_zero();
    UNROLL for (int32_t v = 0; v < INT8_GROUP / 16; v++) {
        magnitudes = vf32_max(vf32_abs(values.part[v]), magnitudes);
        poison = vf32_fma(values.part[v], vf32_zero(), poison);
    }
    float magnitude = vf32_max_of(magnitudes);
    if (magnitude < INT8_MAGNITUDE_MIN)
        magnitude = 0;
    to->scale = magnitude / 127;
    if (vmask_bits(vf32_ge(poison, vf32_zero())) != 0xffff)
        to->scale += vf32_sum(poison);
    return magnitude > 0 ? 127 / magnitude : 0;
}

/* What is not finite becomes -127. */
INLINE void round_group(int8_inputs *to, int8_group_values values, float inverse,
                        const bool has_start) {
    UNROLL for (int32_t v = 0; v < INT8_GROUP / 16; v++) {
        const vf32 scaled = vf32_mul(values.part[v], vf32_set1(inverse));
        values.part[v] = vf32_max(scaled, vf32_set1(-127.0f));
    }
    const int32_t start = vq8_store(to->bytes, values.part);
    if (has_start)
        to->start = start;
}

/* Groups that are scaled before they are rounded: each is two long chains of operations, of which
 * the processor then has several in work. */
#define SCALED_TOGETHER 8

/* The groups of up to SCALED_TOGETHER · 64 numbers; their starts only where they are needed. */
INLINE void quantise_groups(int8_inputs *to, const float *x, int32_t count, const bool has_start) {
    float inverse[SCALED_TOGETHER];
    const int32_t whole = count / INT8_GROUP, left = count % INT8_GROUP;
    for (int32_t i = 0; i < whole; i++)
        inverse[i] = scale_group(to + i, group_values(x + i * INT8_GROUP, INT8_GROUP));
    for (int32_t i = 0; i < whole; i++)
        round_group(to + i, group_values(x + i * INT8_GROUP, INT8_GROUP), inverse[i], has_start);
    if (left > 0) {
        const int8_group_values values = group_values(x + whole * INT8_GROUP, left);
        round_group(to + whole, values, scale_group(to + whole, values), has_start);
    }
}

static void quantise_row(int8_inputs *to, const float *x, int32_t k) {
    const int32_t step = SCALED_TOGETHER * INT8_GROUP;
    for (int32_t i = 0; i < k; i += step)
        quantise_groups(to + i / INT8_GROUP, x + i, k - i < step ? k - i : step, true);
}

static void quantise_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const matmul_job *job = context;
    for (int64_t row = begin; row < end; row++)
        quantise_row(int8_row_at(job->scratch, (int32_t)row, job->k), job->x + row * job->ldx,
                     job->k);
}

/* Products of `n_quads` quads of inputs with a panel's weights, added to integer sums. */
INLINE void int8_quads(vi32 (*dot)[4], const int8_inputs *x, int64_t n_groups, const char *weights,
                       const int32_t n_quads, const int32_t rows, const int32_t vecs,
                       const int32_t vec_first) {
    for (int32_t q = 0; q < n_quads; q++, weights += INT8_QUAD_BYTES) {
        vq8 w[4];
        if (READS_AHEAD(rows) && vec_first == 0)
            read_ahead(weights, INT8_QUAD_BYTES);
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            w[v] = vq8_weights((const int8_t *)weights + 64 * (vec_first + v));
        }
        UNROLL for (int32_t r = 0; r < rows; r++) {
            int32_t quad;
            memcpy(&quad, x[r * n_groups].bytes + INT8_QUAD * q, sizeof quad);
            vq8_row xr = vq8_broadcast(quad);
            UNROLL for (int32_t v = 0; v < vecs; v++) { dot[r][v] = vq8_dot(dot[r][v], w[v], xr); }
        }
    }
}

/* One group of inputs, `n_quads` quads of it: their products added to the chains. */
INLINE void int8_group(vf32 (*chain)[4], const int8_inputs *x, int64_t n_groups, const char *panel,
                       const int32_t n_quads, const int32_t rows, const int32_t vecs,
                       const int32_t vec_first) {
    const float *scales = (const float *)panel + 16 * vec_first;
    vi32 dot[TILE_ROWS][4];
    UNROLL for (int32_t r = 0; r < rows; r++) {
        const vi32 first = vi32_set1(x[r * n_groups].start);
        UNROLL for (int32_t v = 0; v < vecs; v++) { dot[r][v] = first; }
    }
    int8_quads(dot, x, n_groups, panel + INT8_SCALES_BYTES, n_quads, rows, vecs, vec_first);
    UNROLL for (int32_t r = 0; r < rows; r++) {
        vf32 x_scale = vf32_set1(x[r * n_groups].scale);
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            vf32 scale = vf32_mul(vf32_load(scales + 16 * v), x_scale);
            chain[r][v] = vf32_fma(vi32_to_float(dot[r][v]), scale, chain[r][v]);
        }
    }
}

/* What a tile fetches of the panel that comes next. */
typedef struct {
    const char *from;
    int32_t n_lines; /* with each group */
} next_part;

/* Part number `part` of `n_parts`, which together are the panel. */
static inline next_part next_part_of(const matmul_job *job, const char *panel, int32_t part,
                                     int32_t n_parts) {
    const int64_t bytes = panel_bytes(KERNELS_DTYPE_INT8, job->k);
    const int32_t n_lines = (INT8_GROUP_BYTES / LINE_BYTES + n_parts - 1) / n_parts;
    const int64_t skipped = part * int8_groups(job->k) * n_lines * LINE_BYTES;
    return (next_part){panel + bytes + skipped, skipped < bytes ? n_lines : 0};
}

/* With each group, in order. */
INLINE void fetch_next(next_part *next) {
    for (int32_t i = 0; i < next->n_lines; i++, next->from += LINE_BYTES)
        __builtin_prefetch(next->from, 0, 2);
}

INLINE void int8_tile(const matmul_job *job, const char *panel, const float *bias, float *out,
                      int32_t row, next_part next, const int32_t rows, const int32_t vecs,
                      const int32_t vec_first) {
    vf32 chain[TILE_ROWS][4];
    UNROLL for (int32_t r = 0; r < rows; r++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) { chain[r][v] = vf32_zero(); }
    }
    const int64_t n_groups = int8_groups(job->k);
    const int8_inputs *x = int8_row_at(job->scratch, row, job->k);
    const int32_t n_whole = job->k / INT8_GROUP, left = job->k % INT8_GROUP;
    for (int32_t g = 0; g < n_whole; g++, x++, panel += INT8_GROUP_BYTES) {
        fetch_next(&next);
        int8_group(chain, x, n_groups, panel, INT8_GROUP / INT8_QUAD, rows, vecs, vec_first);
    }
    if (left > 0)
        int8_group(chain, x, n_groups, panel, (left + INT8_QUAD - 1) / INT8_QUAD, rows, vecs,
                   vec_first);
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
