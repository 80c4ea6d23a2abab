/*
 * out[m, n] = x[m, k] · w[k, n] with int8 weights. Each row of x is quantised on the fly like the
 * weights: per group of 64 inputs a scale and bytes in -127 … 127. The products of a group are
 * summed as integers, exactly; the groups are combined in order by one chain of fused multiply-adds
 * with scale(w) · scale(x).
 */

/* A quantised row in scratch: bytes padded to groups, then a scale and the bytes' sum per group. */
typedef struct {
    const int8_t *bytes;
    const float *scales;
    const int32_t *sums;
} int8_row;

static inline int64_t int8_row_bytes(int32_t k) {
    int64_t n_groups = (k + INT8_GROUP - 1) / INT8_GROUP;
    return n_groups * (INT8_GROUP + 8);
}

static inline int8_row int8_row_at(const void *scratch, int32_t row, int32_t k) {
    int64_t n_groups = (k + INT8_GROUP - 1) / INT8_GROUP;
    const char *base = (const char *)scratch + row * int8_row_bytes(k);
    const float *scales = (const float *)(base + n_groups * INT8_GROUP);
    return (int8_row){(const int8_t *)base, scales, (const int32_t *)(scales + n_groups)};
}

/* Infinities and NaN make the group's scale NaN, so that they are not lost; their bytes are -127.
 */
static void quantise_group(int8_t *bytes, float *scale, int32_t *sum, const float *x,
                           int32_t count) {
    vf32 values[INT8_GROUP / 16];
    vf32 magnitudes = vf32_zero(), poison = vf32_zero();
    for (int32_t v = 0; v < INT8_GROUP / 16; v++) {
        int32_t lanes = count - 16 * v;
        values[v] = lanes >= 16 ? vf32_load(x + 16 * v)
                    : lanes > 0 ? vf32_load_n(x + 16 * v, lanes)
                                : vf32_zero();
        magnitudes = vf32_max(vf32_abs(values[v]), magnitudes);
        poison = vf32_fma(values[v], vf32_zero(), poison);
    }
    float magnitude = vf32_max_of(magnitudes);
    if (magnitude < INT8_MAGNITUDE_MIN)
        magnitude = 0;
    const vf32 inverse = vf32_set1(magnitude > 0 ? 127 / magnitude : 0);
    const vf32 shift = vf32_set1(ROUNDING_SHIFT);
    *scale = magnitude / 127 + vf32_sum(poison);
    vi32 sums = vi32_set1(0);
    for (int32_t v = 0; v < INT8_GROUP / 16; v++) {
        vf32 scaled = vf32_max(vf32_mul(values[v], inverse), vf32_set1(-127.0f));
        vi32 shifted = vf32_as_bits(vf32_add(scaled, shift));
        vi32 rounded = vi32_sub(shifted, vf32_as_bits(shift));
        vi32_store_bytes(bytes + 16 * v, rounded);
        sums = vi32_add(sums, rounded);
    }
    *sum = vi32_sum(sums);
}

static void quantise_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const matmul_job *job = context;
    for (int64_t row = begin; row < end; row++) {
        int8_row to = int8_row_at(job->scratch, (int32_t)row, job->k);
        const float *x = job->x + row * job->ldx;
        for (int32_t start = 0; start < job->k; start += INT8_GROUP)
            quantise_group((int8_t *)to.bytes + start, (float *)to.scales + start / INT8_GROUP,
                           (int32_t *)to.sums + start / INT8_GROUP, x + start,
                           job->k - start < INT8_GROUP ? job->k - start : INT8_GROUP);
    }
}

INLINE void int8_tile(const matmul_job *job, const char *panel, float *out, int32_t row,
                      const int32_t rows, const int32_t vecs, const int32_t vec_first) {
    vf32 chain[TILE_ROWS][4];
    int8_row x[TILE_ROWS];
    UNROLL for (int32_t r = 0; r < rows; r++) {
        x[r] = int8_row_at(job->scratch, row + r, job->k);
        UNROLL for (int32_t v = 0; v < vecs; v++) chain[r][v] = vf32_zero();
    }
    for (int32_t start = 0; start < job->k; start += INT8_GROUP) {
        const float *scales = (const float *)panel + 16 * vec_first;
        const int32_t left = job->k - start;
        const int32_t n_quads = left < INT8_GROUP ? (left + 3) / 4 : INT8_GROUP / 4;
        vi32 dot[TILE_ROWS][4];
        UNROLL for (int32_t r = 0; r < rows; r++) {
            vi32 first = vq8_start(x[r].sums[start / INT8_GROUP]);
            UNROLL for (int32_t v = 0; v < vecs; v++) dot[r][v] = first;
        }
        panel += 4 * KERNELS_PANEL;
        for (int32_t q = 0; q < n_quads; q++, panel += 4 * KERNELS_PANEL) {
            vq8 w[4];
            UNROLL for (int32_t v = 0; v < vecs; v++) w[v] =
                vq8_weights((const int8_t *)panel + 64 * (vec_first + v));
            UNROLL for (int32_t r = 0; r < rows; r++) {
                int32_t quad;
                memcpy(&quad, x[r].bytes + start + 4 * q, sizeof quad);
                vq8_row xr = vq8_broadcast(quad);
                UNROLL for (int32_t v = 0; v < vecs; v++) dot[r][v] = vq8_dot(dot[r][v], w[v], xr);
            }
        }
        UNROLL for (int32_t r = 0; r < rows; r++) {
            vf32 x_scale = vf32_set1(x[r].scales[start / INT8_GROUP]);
            UNROLL for (int32_t v = 0; v < vecs; v++) {
                vf32 scale = vf32_mul(vf32_load(scales + 16 * v), x_scale);
                chain[r][v] = vf32_fma(vi32_to_float(dot[r][v]), scale, chain[r][v]);
            }
        }
    }
    UNROLL for (int32_t r = 0; r < rows; r++) {
        UNROLL for (int32_t v = 0; v < vecs; v++) {
            float *to = out + r * job->ldo + 16 * (vec_first + v);
            vf32_store(to, job->accumulate ? vf32_add(vf32_load(to), chain[r][v]) : chain[r][v]);
        }
    }
}

INLINE void int8_rows(const matmul_job *job, const char *panel, float *out, int32_t row,
                      const int32_t rows) {
    const int32_t vecs = TILE_VECS(rows, TILE_BUDGET_INT8);
    for (int32_t vec = 0; vec < 4; vec += vecs)
        int8_tile(job, panel, out, row, rows, vecs, vec);
}

/* One panel for rows row … row + n_rows - 1. */
static void int8_panel(const matmul_job *job, int64_t index, int32_t row, int32_t n_rows) {
    const char *panel = (const char *)job->w + index * int8_panel_bytes(job->k);
    for (int32_t r = row; r < row + n_rows; r += TILE_ROWS) {
        float *out = job->out + r * job->ldo + index * KERNELS_PANEL;
        switch (row + n_rows - r) {
        case 1:
            int8_rows(job, panel, out, r, 1);
            break;
        case 2:
            int8_rows(job, panel, out, r, 2);
            break;
        case 3:
            int8_rows(job, panel, out, r, 3);
            break;
        case 4:
            int8_rows(job, panel, out, r, 4);
            break;
        case 5:
            int8_rows(job, panel, out, r, 5);
            break;
        default:
            int8_rows(job, panel, out, r, 6);
        }
    }
}

/* ---- the op, all dtypes: units are panels × groups of rows, those of a panel together ---- */

static void matmul_units(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const matmul_job *job = context;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t panel = unit / job->n_groups;
        int32_t row = (int32_t)(unit % job->n_groups) * job->rows_per_unit;
        int32_t n_rows = job->m - row < job->rows_per_unit ? job->m - row : job->rows_per_unit;
        if (job->dtype == KERNELS_DTYPE_INT8)
            int8_panel(job, panel, row, n_rows);
        else
            matmul_panel(job, panel, row, n_rows);
    }
}

static void FN(matmul)(int32_t dtype, float *out, int64_t ldo, const float *x, int64_t ldx,
                       const void *w, int32_t m, int32_t k, int32_t n, int32_t accumulate,
                       void *scratch) {
    if (m == 0)
        return;
    matmul_job job = {dtype, out, ldo, x, ldx, w, m, k, n, accumulate, 0, 0, scratch};
    const int64_t n_panels = (n + KERNELS_PANEL - 1) / KERNELS_PANEL;
    if (dtype == KERNELS_DTYPE_INT8)
        pool_run(quantise_rows, &job, m, 1 + WORK_MIN / (k + 1));
    /* Fewer panels than would feed all threads: smaller groups of rows. */
    int32_t n_groups = (m + ROWS_PER_PASS - 1) / ROWS_PER_PASS;
    while (n_groups * n_panels < 4 * pool_threads() && m / (n_groups + 1) >= 2 * TILE_ROWS)
        n_groups++;
    /* Whole tiles; rounding up can leave fewer groups. */
    const int32_t n_tiles = (m + TILE_ROWS - 1) / TILE_ROWS;
    job.rows_per_unit = (n_tiles + n_groups - 1) / n_groups * TILE_ROWS;
    job.n_groups = (m + job.rows_per_unit - 1) / job.rows_per_unit;
    int64_t n_units = job.n_groups * n_panels;
    int64_t unit_work =
        (int64_t)k * KERNELS_PANEL * (m < job.rows_per_unit ? m : job.rows_per_unit);
    int64_t grain = 1 + n_units / (32 * pool_threads());
    pool_run(matmul_units, &job, n_units, n_units * unit_work < 2 * WORK_MIN ? n_units : grain);
}
