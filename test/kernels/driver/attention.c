#include "check.h"

/* One query over n keys and values of one head, rows of d at stride ld. */
static void reference_attention(double *out, const float *q, const float *keys, const float *values,
                                int64_t ld, int32_t n, int32_t d, double soft_cap) {
    double largest = -INFINITY, total = 0;
    for (int32_t pass = 0; pass < 2; pass++) {
        if (pass == 1)
            memset(out, 0, (size_t)d * sizeof *out);
        for (int32_t t = 0; t < n; t++) {
            double score = 0;
            for (int32_t c = 0; c < d; c++)
                score += (double)q[c] * keys[t * ld + c];
            score /= sqrt(d);
            if (soft_cap > 0)
                score = soft_cap * tanh(score / soft_cap);
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

/* Sequences of different lengths, whose blocks lie in any order; unused slots hold NaN. */
typedef struct {
    int32_t n_head, d_head, n_sequences;
    int32_t lengths[8], first_rows[8], first_table[8];
    int32_t n_rows, n_blocks;
    int64_t ldq, block_stride;
    float *qkv, *kv;
    int32_t *tables, *slots;
} attention_case;

static attention_case make_attention(int32_t n_head, int32_t d_head, const int32_t *lengths,
                                     int32_t n_sequences, float scale) {
    attention_case c = {.n_head = n_head, .d_head = d_head, .n_sequences = n_sequences};
    for (int32_t s = 0; s < n_sequences; s++) {
        c.lengths[s] = lengths[s];
        c.first_rows[s] = c.n_rows;
        c.first_table[s] = c.n_blocks;
        c.n_rows += lengths[s];
        c.n_blocks += (lengths[s] + 31) / 32;
    }
    c.ldq = round_up(3 * n_head * d_head, 64);
    c.block_stride = round_up(kernels_kv_layer_floats(n_head, d_head), 16) + 16;
    c.qkv = random_floats(c.n_rows * c.ldq, NORMAL);
    for (int64_t i = 0; i < c.n_rows * c.ldq; i++)
        c.qkv[i] *= scale;
    c.kv = guarded_floats(c.n_blocks * c.block_stride);
    memset(c.kv, 0xff, (size_t)(c.n_blocks * c.block_stride) * 4);
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
    release(c->qkv), release(c->kv);
    free(c->tables), free(c->slots);
}

/* All rows of all sequences, fed in chunks of at most `chunk` rows. */
static float *run_attention(attention_case *c, int32_t chunk, float soft_cap) {
    const int64_t ldo = round_up(c->n_head * c->d_head, 64);
    float *out = guarded_floats(c->n_rows * ldo);
    int32_t longest = 0;
    for (int32_t s = 0; s < c->n_sequences; s++)
        longest = c->lengths[s] > longest ? c->lengths[s] : longest;
    const int64_t scratch_bytes = kernels_attention_scratch_bytes(longest);
    void *scratch = guarded((size_t)scratch_bytes);
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
            kernels_kv_store(c->kv, c->block_stride, c->qkv + row * c->ldq, c->ldq, c->slots + row,
                             spans[s].n_rows, c->n_head, c->d_head);
        }
        kernels_attention(out, ldo, c->qkv, c->ldq, c->kv, c->block_stride, spans, c->n_sequences,
                          c->tables, c->n_head, c->d_head, soft_cap, scratch);
    }
    check_guards(scratch, (size_t)scratch_bytes);
    check_guards(out, (size_t)(c->n_rows * ldo) * 4);
    check_guards(c->kv, (size_t)(c->n_blocks * c->block_stride) * 4);
    release(scratch);
    return out;
}

static void check_attention(int32_t n_head, int32_t d_head, const int32_t *lengths, int32_t n,
                            float soft_cap, float scale) {
    attention_case c = make_attention(n_head, d_head, lengths, n, scale);
    const int32_t width = n_head * d_head;
    const int64_t ldo = round_up(width, 64);
    float *whole = run_attention(&c, 1 << 20, soft_cap);
    for (int32_t chunk = 1; chunk <= 50; chunk = chunk * 3 + 2) {
        memset(c.kv, 0xff, (size_t)(c.n_blocks * c.block_stride) * 4);
        float *pieces = run_attention(&c, chunk, soft_cap);
        for (int32_t row = 0; row < c.n_rows; row++)
            if (memcmp(whole + row * ldo, pieces + row * ldo, (size_t)width * 4) != 0)
                fail("depends on the chunks of the prompt", chunk, row);
        release(pieces);
    }
    double expected[256];
    for (int32_t s = 0; s < n; s++) {
        const float *first = c.qkv + c.first_rows[s] * c.ldq;
        for (int32_t p = 0; p < c.lengths[s]; p++) {
            const float *got = whole + (c.first_rows[s] + p) * ldo;
            for (int32_t h = 0; h < n_head; h++) {
                reference_attention(expected, first + p * c.ldq + h * d_head,
                                    first + width + h * d_head, first + 2 * width + h * d_head,
                                    c.ldq, p + 1, d_head, soft_cap);
                for (int32_t i = 0; i < d_head; i++)
                    expect_close(got[h * d_head + i], expected[i],
                                 64 * EPSILON * scale * (1 + scale * scale));
            }
            hash_bytes(got, (size_t)width * 4);
        }
    }
    release(whole);
    free_attention(&c);
}

void attention_cases(void) {
    static const int32_t head_dims[] = {1, 7, 8, 10, 12, 14, 16, 20, 28, 32, 64, 80};
    static const int32_t lengths[] = {1, 5, 33, 70, 0, 32};
    begin_case("attention");
    for (size_t i = 0; i < sizeof head_dims / sizeof head_dims[0]; i++)
        check_attention(1 + (int32_t)i % 3, head_dims[i], lengths, 6, 0, 1);
    check_attention(8, 32, (const int32_t[]){150, 40}, 2, 0, 3);
    end_case();
    begin_case("attention_soft_cap");
    for (size_t i = 0; i < sizeof head_dims / sizeof head_dims[0]; i += 2)
        check_attention(2, head_dims[i], lengths, 6, i % 4 == 0 ? 30.0f : 2.0f, 2);
    end_case();
}

void attention_fuzz(int32_t kind) {
    (void)kind;
    int32_t lengths[4];
    for (int32_t s = 0; s < 4; s++)
        lengths[s] = 1 + random_below(80);
    const int32_t n_head = 1 + random_below(4), d_head = 1 + random_below(70);
    const float soft_cap = random_below(2) == 0 ? 0 : 30.0f;
    check_attention(n_head, d_head, lengths, 1 + random_below(4), soft_cap, 1);
}
