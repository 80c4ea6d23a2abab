#include "check.h"

/* The shape of an attention and what happens to its scores. */
typedef struct {
    int32_t n_head, n_kv_head, d_head, window;
    float scale, soft_cap;
    int32_t kv_dtype;
} attention_shape;

/* As our own models have it: a key head for each head, all positions, scores over √d_head. */
static attention_shape plain_shape(int32_t n_head, int32_t d_head, float soft_cap) {
    return (attention_shape){
        .n_head = n_head,
        .n_kv_head = n_head,
        .d_head = d_head,
        .scale = 1.0f / sqrtf((float)d_head),
        .soft_cap = soft_cap,
    };
}

/* One query over keys and values first … n - 1 of one head, rows at stride ld. */
static void reference_attention(double *out, const float *q, const float *keys, const float *values,
                                int64_t ld, int32_t first, int32_t n,
                                const attention_shape *shape) {
    const int32_t d = shape->d_head;
    const double cap = shape->soft_cap;
    double largest = -INFINITY, total = 0;
    for (int32_t pass = 0; pass < 2; pass++) {
        if (pass == 1)
            memset(out, 0, (size_t)d * sizeof *out);
        for (int32_t t = first; t < n; t++) {
            double score = 0;
            for (int32_t c = 0; c < d; c++)
                score += (double)q[c] * keys[t * ld + c];
            score *= (double)shape->scale;
            if (cap > 0)
                score = cap * tanh(score / cap);
            largest = fmax(largest, score);
            if (pass == 0)
                continue;
            total += exp(score - largest);
            for (int32_t c = 0; c < d; c++)
                out[c] += exp(score - largest) * values[t * ld + c];
        }
    }
    for (int32_t c = 0; c < d; c++)
        out[c] /= total;
}

/* Nearest number with 8 bits of significand, ties to even. */
static float bf16_rounded(float x) {
    int exponent;
    const double significand = frexp(x, &exponent) * 256;
    return (float)ldexp(nearbyint(significand), exponent - 8);
}

/* Sequences of different lengths, whose blocks lie in any order; unused slots hold NaN. */
typedef struct {
    attention_shape shape;
    int32_t n_sequences;
    int32_t lengths[8], first_rows[8], first_table[8];
    int32_t n_rows, n_blocks;
    int64_t ldq, block_stride;
    float *q, *k, *v; /* side by side in rows of ldq floats */
    uint8_t *kv;
    int32_t *tables, *slots;
} attention_case;

static attention_case make_attention(attention_shape shape, const int32_t *lengths,
                                     int32_t n_sequences, float spread) {
    attention_case c = {.shape = shape, .n_sequences = n_sequences};
    for (int32_t s = 0; s < n_sequences; s++) {
        c.lengths[s] = lengths[s];
        c.first_rows[s] = c.n_rows;
        c.first_table[s] = c.n_blocks;
        c.n_rows += lengths[s];
        c.n_blocks += (lengths[s] + 31) / 32;
    }
    const int32_t d_head = shape.d_head;
    c.ldq = round_up((shape.n_head + 2 * shape.n_kv_head) * d_head, 64);
    c.block_stride =
        round_up(kernels_kv_layer_bytes(shape.kv_dtype, shape.n_kv_head, d_head), 64) + 64;
    c.q = random_floats(c.n_rows * c.ldq, NORMAL);
    for (int64_t i = 0; i < c.n_rows * c.ldq; i++)
        c.q[i] *= spread;
    c.k = c.q + shape.n_head * d_head;
    c.v = c.k + shape.n_kv_head * d_head;
    c.kv = guarded((size_t)(c.n_blocks * c.block_stride));
    memset(c.kv, 0xff, (size_t)(c.n_blocks * c.block_stride));
    c.tables = calloc((size_t)c.n_blocks, 4);
    c.slots = calloc((size_t)c.n_rows, 4);
    for (int32_t i = 0; i < c.n_blocks; i++) {
        int32_t other = random_below(i + 1);
        c.tables[i] = c.tables[other];
        c.tables[other] = i;
    }
    for (int32_t s = 0; s < n_sequences; s++)
        for (int32_t p = 0; p < lengths[s]; p++)
            c.slots[c.first_rows[s] + p] = c.tables[c.first_table[s] + p / 32] * 32 + p % 32;
    return c;
}

static void free_attention(attention_case *c) {
    release(c->q), release(c->kv);
    free(c->tables), free(c->slots);
}

/* What lies before the windows of all rows to come must not be read: NaN takes its place. */
static void forget(attention_case *c, int32_t sequence, int32_t position) {
    const int32_t window = c->shape.window;
    for (int32_t t = 0; window > 0 && t + 32 <= position - window + 1; t += 32) {
        const int32_t block = c->tables[c->first_table[sequence] + t / 32];
        memset(c->kv + block * c->block_stride, 0xff, (size_t)c->block_stride);
    }
}

/* All rows of all sequences, fed in chunks of at most `chunk` rows. */
static float *run_attention(attention_case *c, int32_t chunk) {
    const attention_shape *shape = &c->shape;
    const int64_t ldo = round_up(shape->n_head * shape->d_head, 64);
    float *out = guarded_floats(c->n_rows * ldo);
    int32_t longest = 0;
    for (int32_t s = 0; s < c->n_sequences; s++)
        longest = c->lengths[s] > longest ? c->lengths[s] : longest;
    const int64_t scratch_bytes = kernels_attention_scratch_bytes(longest);
    void *scratch = guarded((size_t)scratch_bytes);
    memset(c->kv, 0xff, (size_t)(c->n_blocks * c->block_stride));
    for (int32_t start = 0; start < longest; start += chunk) {
        kernels_span spans[8];
        for (int32_t s = 0; s < c->n_sequences; s++) {
            const int32_t left = c->lengths[s] - start, first = left > 0 ? start : 0;
            spans[s] = (kernels_span){
                .first_row = c->first_rows[s] + first,
                .n_rows = left <= 0      ? 0
                          : left < chunk ? left
                                         : chunk,
                .position = first,
                .table = c->first_table[s],
            };
            const int32_t row = spans[s].first_row;
            kernels_kv_store(shape->kv_dtype, c->kv, c->block_stride, c->k + row * c->ldq,
                             c->v + row * c->ldq, c->ldq, c->slots + row, spans[s].n_rows,
                             shape->n_kv_head, shape->d_head);
            forget(c, s, first);
        }
        kernels_attention(out, ldo, c->q, c->ldq, shape->kv_dtype, c->kv, c->block_stride, spans,
                          c->n_sequences, c->tables, shape->n_head, shape->n_kv_head, shape->d_head,
                          shape->window, shape->scale, shape->soft_cap, scratch);
    }
    check_guards(scratch, (size_t)scratch_bytes);
    check_guards(out, (size_t)(c->n_rows * ldo) * 4);
    check_guards(c->kv, (size_t)(c->n_blocks * c->block_stride));
    release(scratch);
    return out;
}

static void check_attention(attention_shape shape, const int32_t *lengths, int32_t n,
                            float spread) {
    attention_case c = make_attention(shape, lengths, n, spread);
    const int32_t d_head = shape.d_head, width = shape.n_head * d_head;
    const int64_t ldo = round_up(width, 64);
    float *whole = run_attention(&c, 1 << 20);
    for (int32_t chunk = 1; chunk <= 50; chunk = chunk * 3 + 2) {
        float *pieces = run_attention(&c, chunk);
        for (int32_t row = 0; row < c.n_rows; row++)
            if (memcmp(whole + row * ldo, pieces + row * ldo, (size_t)width * 4) != 0)
                fail("depends on the chunks of the prompt", chunk, row);
        release(pieces);
    }
    if (shape.kv_dtype == KERNELS_DTYPE_BF16)
        for (int32_t row = 0; row < c.n_rows; row++)
            for (int32_t i = 0; i < 2 * shape.n_kv_head * d_head; i++)
                c.k[row * c.ldq + i] = bf16_rounded(c.k[row * c.ldq + i]);
    const int32_t group = shape.n_head / shape.n_kv_head;
    const double tolerance = 64 * EPSILON * spread * (1 + spread * spread);
    double expected[256];
    for (int32_t s = 0; s < n; s++) {
        const int64_t first_row = c.first_rows[s];
        for (int32_t p = 0; p < c.lengths[s]; p++) {
            const float *got = whole + (first_row + p) * ldo;
            const int32_t first = shape.window > 0 && p >= shape.window ? p - shape.window + 1 : 0;
            for (int32_t h = 0; h < shape.n_head; h++) {
                const int64_t from = first_row * c.ldq + h / group * d_head;
                reference_attention(expected, c.q + (first_row + p) * c.ldq + h * d_head,
                                    c.k + from, c.v + from, c.ldq, first, p + 1, &shape);
                for (int32_t i = 0; i < d_head; i++)
                    expect_close(got[h * d_head + i], expected[i], tolerance);
            }
            hash_bytes(got, (size_t)width * 4);
        }
    }
    release(whole);
    free_attention(&c);
}

static const int32_t head_dims[] = {1, 7, 8, 10, 12, 14, 16, 20, 28, 32, 64, 80};
#define N_HEAD_DIMS ((int32_t)(sizeof head_dims / sizeof head_dims[0]))

void attention_cases(void) {
    static const int32_t lengths[] = {1, 5, 33, 70, 0, 32};
    begin_case("attention");
    for (int32_t i = 0; i < N_HEAD_DIMS; i++)
        check_attention(plain_shape(1 + i % 3, head_dims[i], 0), lengths, 6, 1);
    check_attention(plain_shape(8, 32, 0), (const int32_t[]){150, 40}, 2, 3);
    end_case();
    begin_case("attention_soft_cap");
    for (int32_t i = 0; i < N_HEAD_DIMS; i += 2)
        check_attention(plain_shape(2, head_dims[i], i % 4 == 0 ? 30.0f : 2.0f), lengths, 6, 2);
    end_case();
}

void grouped_attention_cases(void) {
    static const int32_t lengths[] = {1, 5, 33, 70, 0, 129};
    begin_case("attention_groups");
    for (int32_t group = 1; group <= 9; group++) {
        for (int32_t n_kv_head = 1; n_kv_head <= 3; n_kv_head++) {
            attention_shape shape = plain_shape(group * n_kv_head, 8 * group, 0);
            shape.n_kv_head = n_kv_head;
            check_attention(shape, lengths + 1, 3, 1);
        }
    }
    end_case();
    begin_case("attention_window");
    for (int32_t i = 0; i < N_HEAD_DIMS; i++) {
        static const int32_t windows[] = {1, 2, 3, 4, 7, 16, 17, 31, 32, 33, 64, 100};
        attention_shape shape = plain_shape(2 + 2 * (i % 2), head_dims[i], i % 3 == 0 ? 20.0f : 0);
        shape.n_kv_head = 2;
        shape.window = windows[i];
        shape.scale = i % 4 == 0 ? 1 : shape.scale;
        check_attention(shape, lengths, 6, 1);
    }
    end_case();
}

void bf16_attention_cases(void) {
    static const int32_t lengths[] = {1, 5, 33, 70, 0, 129};
    begin_case("attention_bf16");
    for (int32_t i = 0; i < N_HEAD_DIMS; i++) {
        attention_shape shape = plain_shape(2 * (1 + i % 3), head_dims[i], i % 4 == 0 ? 20.0f : 0);
        shape.kv_dtype = KERNELS_DTYPE_BF16;
        check_attention(shape, lengths, 6, 1);
        shape.n_kv_head = 2;
        shape.window = 8 * i;
        check_attention(shape, lengths, 6, 1);
    }
    end_case();
}

void attention_fuzz(int32_t kind) {
    (void)kind;
    int32_t lengths[4];
    for (int32_t s = 0; s < 4; s++)
        lengths[s] = 1 + random_below(80);
    const int32_t n_kv_head = 1 + random_below(4), group = 1 + random_below(4);
    attention_shape shape =
        plain_shape(n_kv_head * group, 1 + random_below(70), random_below(2) == 0 ? 0 : 30.0f);
    shape.n_kv_head = n_kv_head;
    shape.window = random_below(2) == 0 ? 0 : 1 + random_below(90);
    shape.kv_dtype = random_below(2) == 0 ? KERNELS_DTYPE_F32 : KERNELS_DTYPE_BF16;
    check_attention(shape, lengths, 1 + random_below(4), 1);
}
