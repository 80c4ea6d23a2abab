/*
 * out[m, n] = x[m, k] · w[k, n], f32 and bf16 weights in panels of 64 columns (pack.h).
 *
 * Every element is one chain of fused multiply-adds over k; lanes are columns. A register tile is
 * `rows` × `vecs` vectors; with one row it streams the panel at memory speed, with six it is bound
 * by arithmetic: 2·m·k·n operations over k·n weights read once per group of rows. For many, k is
 * cut into pieces that stay in the L2 cache; partial chains are stored and taken up again, which
 * changes nothing in the result.
 */
#ifndef ALPHA_OPS_MATMUL_FLOAT_H
#define ALPHA_OPS_MATMUL_FLOAT_H

#include "matmul_job.h"

/* With narrow tiles a panel is read in several passes, so its piece has to stay in L1, not L2. */
#define K_PER_PASS (TILE_BUDGET >= 24 ? 256 : 64)

/*
 * A tile of a few rows reads its panel from memory, but computes too much per line for the
 * processor to see far enough ahead by itself. A single row does; many rows reuse what they read.
 */
#define READS_AHEAD(rows) ((rows) > 1 && (rows) < TILE_ROWS)

/* Vector `vec` (of 4) of a panel row. */
static inline vf32 panel_load(int32_t dtype, const char *panel_row, int32_t vec) {
    if (dtype == KERNELS_DTYPE_F32)
        return vf32_load((const float *)panel_row + 16 * vec);
    vi32 words = vi32_load(panel_row + 64 * (vec / 2));
    return vec % 2 == 0 ? low_bf16(words) : high_bf16(words);
}

typedef struct {
    const float *x;
    int64_t ldx;
    const char *panel; /* at the tile's first input */
    int32_t k;
    int32_t n_vecs;     /* of the panel that hold columns */
    const float *start; /* partial chains [rows][64], NULL = zeros */
    float *out;
    int64_t ldo;
    const float *bias;  /* of the panel's 64 columns, for finished chains; NULL = none */
    bool is_added;      /* the result is added to out */
    const char *ahead;  /* will be needed soon; NULL = nothing */
    int64_t ahead_step; /* bytes of it that are fetched with each input */
} tile_job;

INLINE void matmul_tile(const tile_job *job, const int32_t dtype, const int32_t rows,
                        const int32_t vecs, const int32_t vec_first, const bool looks_ahead) {
    const int64_t row_bytes = dtype == KERNELS_DTYPE_F32 ? KERNELS_PANEL * 4 : KERNELS_PANEL * 2;
    vf32 acc[TILE_ROWS][4];
    UNROLL for (int32_t r = 0; r < rows; r++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            acc[r][v] = job->start == NULL
                            ? vf32_zero()
                            : vf32_load(job->start + r * KERNELS_PANEL + 16 * (vec_first + v));
        }
    }
    const char *panel = job->panel;
    const float *x = job->x;
    UNROLL_STREAM for (int32_t i = 0; i < job->k; i++, panel += row_bytes) {
        vf32 w[4];
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            w[v] = panel_load(dtype, panel, vec_first + v);
        }
        if (READS_AHEAD(rows) && vec_first == 0)
            read_ahead(panel, row_bytes);
        if (looks_ahead)
            __builtin_prefetch(job->ahead + job->ahead_step * i, 0, 2);
        UNROLL for (int32_t r = 0; r < rows; r++) {
            vf32 xr = vf32_set1(x[r * job->ldx + i]);
            UNROLL for (int32_t v = 0; v < vecs; v++) { acc[r][v] = vf32_fma(xr, w[v], acc[r][v]); }
        }
    }
    if (job->bias != NULL) {
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            const vf32 bias = vf32_load(job->bias + 16 * (vec_first + v));
            UNROLL for (int32_t r = 0; r < rows; r++) { acc[r][v] = vf32_add(acc[r][v], bias); }
        }
    }
    UNROLL for (int32_t r = 0; r < rows; r++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            float *out = job->out + r * job->ldo + 16 * (vec_first + v);
            vf32_store(out, job->is_added ? vf32_add(vf32_load(out), acc[r][v]) : acc[r][v]);
        }
    }
}

INLINE void matmul_rows(const tile_job *job, const int32_t dtype, const int32_t rows) {
    const int32_t vecs = TILE_VECS(rows, TILE_BUDGET);
    if (vecs == 4 && job->n_vecs <= 2) {
        /* Half of the last panel: nothing is computed for the other. */
        matmul_tile(job, dtype, rows, 2, 0, false);
    } else if (rows == TILE_ROWS && job->ahead != NULL) {
        UNROLL for (int32_t vec = 0; vec < 4; vec += vecs) {
            matmul_tile(job, dtype, rows, vecs, vec, vec == 0);
        }
    } else {
        UNROLL for (int32_t vec = 0; vec < 4; vec += vecs) {
            if (vec < job->n_vecs)
                matmul_tile(job, dtype, rows, vecs, vec, false);
        }
    }
}

static void matmul_rows_any(const tile_job *job, int32_t dtype, int32_t rows) {
    if (dtype == KERNELS_DTYPE_F32) {
        BY_ROWS(rows, matmul_rows(job, KERNELS_DTYPE_F32, ROWS));
    } else {
        BY_ROWS(rows, matmul_rows(job, KERNELS_DTYPE_BF16, ROWS));
    }
}

/* One panel for rows row … row + n_rows - 1. */
static void float_panel(const matmul_job *job, int64_t panel, int32_t row, int32_t n_rows) {
    _Alignas(64) float partial[ROWS_PER_PASS * KERNELS_PANEL], padded_bias[KERNELS_PANEL];
    const float *bias = panel_bias(job, panel, padded_bias);
    const int64_t row_bytes = KERNELS_PANEL * (job->dtype == KERNELS_DTYPE_F32 ? 4 : 2);
    const int32_t n_pieces = n_rows == 1 ? 1 : (job->k + K_PER_PASS - 1) / K_PER_PASS;
    const int32_t k_piece = (job->k + n_pieces - 1) / n_pieces;
    /* The piece behind one is read next; behind the last piece of a panel begins the next panel.
     * Each full tile fetches its part of it, at an even pace: few lines can be under way at once.
     * Few rows are done with a piece before the next one could arrive. */
    const bool looks_ahead = n_rows >= 4 * TILE_ROWS;
    const int64_t even_step = looks_ahead ? 1 + (row_bytes - 1) / full_tiles_of(n_rows) : 0;
    const int64_t ahead_step = even_step < LINE_BYTES ? even_step : LINE_BYTES;
    for (int32_t k = 0; k < job->k; k += k_piece) {
        const bool is_last = k + k_piece >= job->k;
        const int32_t n_inputs = is_last ? job->k - k : k_piece;
        const char *piece = (const char *)job->w + (panel * job->k + k) * row_bytes;
        const char *next = piece + n_inputs * row_bytes;
        for (int32_t r = 0, rows; r < n_rows; r += rows) {
            rows = next_tile_rows(n_rows - r);
            float *kept = partial + r * KERNELS_PANEL;
            float *out = job->out + (row + r) * job->ldo + panel * KERNELS_PANEL;
            tile_job tile = {
                .x = job->x + (row + r) * job->ldx + k,
                .ldx = job->ldx,
                .panel = piece,
                .k = n_inputs,
                .n_vecs = panel_vecs(job, panel),
                .start = k == 0 ? NULL : kept,
                .out = is_last ? out : kept,
                .ldo = is_last ? job->ldo : KERNELS_PANEL,
                .bias = is_last ? bias : NULL,
                .is_added = is_last && job->is_added,
                .ahead = looks_ahead ? next + r / TILE_ROWS * n_inputs * ahead_step : NULL,
                .ahead_step = ahead_step,
            };
            matmul_rows_any(&tile, job->dtype, rows);
        }
    }
}

#endif
