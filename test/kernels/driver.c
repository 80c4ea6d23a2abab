/*
 * Conformance driver: every op on seeded inputs of odd sizes and values, measured against the naive
 * reference and hashed. Prints one line per case, `name hash worst-error-in-tolerances`; a result
 * beyond its tolerance, a byte written outside of an output, or a result that depends on how rows
 * were grouped ends the program with a message. Two instruction sets, thread counts or machines
 * agree when they print the same.
 *
 *   driver ISA THREADS [SEED ROUNDS]   with SEED: random sizes, for the sanitizers
 */
#include "kernels.h"
#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The elementary functions are not exported; the scalar ones stand for all of them. */
#include "isa/scalar.h"

#include "ops/elementary.h"

#define EPSILON 0x1p-23
#define GUARD 64

static const char *case_name;
static uint64_t case_hash;
static double case_worst;

static void fail(const char *what, double a, double b) {
    fprintf(stderr, "%s: %s (%.9g, %.9g)\n", case_name, what, a, b);
    exit(1);
}

static void begin_case(const char *name) {
    case_name = name;
    case_hash = 0xcbf29ce484222325u;
    case_worst = 0;
}

static void end_case(void) {
    printf("%s %016llx %.2f\n", case_name, (unsigned long long)case_hash, case_worst);
}

static void hash_bytes(const void *data, size_t bytes) {
    const uint8_t *byte = data;
    for (size_t i = 0; i < bytes; i++)
        case_hash = (case_hash ^ byte[i]) * 0x100000001b3u;
}

static void expect_close(double actual, double expected, double tolerance) {
    double error = fabs(actual - expected) / tolerance;
    if (!(error <= 1))
        fail("wrong result (actual, expected)", actual, expected);
    case_worst = fmax(case_worst, error);
}

/* ---- seeded values ---- */

static uint64_t random_state = 88172645463325252u;

static uint32_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

static int32_t random_below(int32_t n) { return (int32_t)(random_bits() % (uint32_t)n); }

static float random_normal(void) {
    float sum = -6;
    for (int i = 0; i < 12; i++)
        sum += (float)(random_bits() >> 8) * 0x1p-24f;
    return sum;
}

enum { NORMAL, LARGE, TIED, TINY, N_KINDS };

static float random_value(int kind) {
    switch (kind) {
    case LARGE:
        return random_normal() * (random_below(8) == 0 ? 1e6f : 30.0f);
    case TIED:
        return (float)(random_below(5) - 2) * (random_below(2) == 0 ? 1.0f : -1.0f);
    case TINY:
        return random_below(3) == 0 ? -0.0f : random_normal() * 1e-39f;
    default:
        return random_normal();
    }
}

/* ---- buffers with guarded ends ---- */

static uint8_t *guarded(size_t bytes) {
    uint8_t *raw = aligned_alloc(64, (bytes + 2 * GUARD + 63) / 64 * 64);
    memset(raw, 0xA5, bytes + 2 * GUARD);
    return raw + GUARD;
}

static float *guarded_floats(int64_t count) { return (float *)guarded((size_t)count * 4); }

static float *random_floats(int64_t count, int kind) {
    float *x = guarded_floats(count);
    for (int64_t i = 0; i < count; i++)
        x[i] = random_value(kind);
    return x;
}

static void check_guards(const void *data, size_t bytes) {
    const uint8_t *at = data;
    for (size_t i = 0; i < GUARD; i++)
        if (at[-1 - (int64_t)i] != 0xA5 || at[bytes + i] != 0xA5)
            fail("wrote outside of its output", (double)i, 0);
}

static void release(void *data) { free((uint8_t *)data - GUARD); }

static int32_t round_up(int32_t n, int32_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

/* ---- matmul ---- */

static void *packed_weights(int32_t dtype, const float *w, int32_t k, int32_t n) {
    int64_t bytes = kernels_packed_bytes(dtype, k, n);
    void *packed = guarded((size_t)bytes);
    memset(packed, 0, (size_t)bytes);
    /* In two calls, as several tensors become one matrix. */
    int32_t split = n / 3;
    kernels_pack(dtype, packed, w, 0, split, k, n);
    kernels_pack(dtype, packed, w + (int64_t)split * k, split, n - split, k, n);
    check_guards(packed, (size_t)bytes);
    return packed;
}

static void check_matmul(int32_t dtype, int32_t m, int32_t k, int32_t n, int kind) {
    const int64_t ldx = round_up(k, 64), ldo = round_up(n, 64) + 64;
    float *w = random_floats((int64_t)n * k, kind), *x = random_floats(m * ldx, kind);
    void *packed = packed_weights(dtype, w, k, n);
    const int64_t scratch_bytes = kernels_matmul_scratch_bytes(dtype, m, k);
    void *scratch = guarded((size_t)scratch_bytes);
    float *out = guarded_floats(m * ldo), *sum = random_floats(m * ldo, NORMAL);
    float *added = guarded_floats(m * ldo), *single = guarded_floats(m * ldo);
    memcpy(added, sum, (size_t)(m * ldo) * 4);
    kernels_matmul(dtype, out, ldo, x, ldx, packed, m, k, n, 0, scratch);
    kernels_matmul(dtype, added, ldo, x, ldx, packed, m, k, n, 1, scratch);
    for (int32_t row = 0; row < m; row++)
        kernels_matmul(dtype, single + row * ldo, ldo, x + row * ldx, ldx, packed, 1, k, n, 0,
                       scratch);
    check_guards(scratch, (size_t)scratch_bytes);
    check_guards(out, (size_t)(m * ldo) * 4);
    check_guards(added, (size_t)(m * ldo) * 4);
    double *expected = calloc((size_t)m * n + 1, 8), *magnitude = calloc((size_t)m * n + 1, 8);
    reference_matmul(dtype, expected, magnitude, x, ldx, w, m, k, n);
    for (int32_t row = 0; row < m; row++) {
        const float *got = out + row * ldo;
        for (int32_t i = 0; i < n; i++) {
            double size = magnitude[(int64_t)row * n + i];
            expect_close(got[i], expected[(int64_t)row * n + i],
                         (2 + sqrt(k)) * EPSILON * size + 1e-44 * k);
            if (added[row * ldo + i] != got[i] + sum[row * ldo + i])
                fail("accumulate is not one addition", added[row * ldo + i], got[i]);
        }
        for (int32_t i = n; i < round_up(n, 64); i++)
            if (got[i] != 0)
                fail("columns beyond n are not zero", i, got[i]);
        if (memcmp(got, single + row * ldo, (size_t)n * 4) != 0)
            fail("a row depends on its neighbours", row, m);
        hash_bytes(got, (size_t)n * 4);
    }
    free(expected), free(magnitude);
    release(w), release(x), release(packed), release(scratch);
    release(out), release(sum), release(added), release(single);
}

static void matmul_cases(void) {
    static const int32_t sizes[][3] = {
        {1, 1, 1},     {1, 7, 3},     {2, 16, 64},   {3, 33, 65},    {4, 31, 63},   {5, 64, 128},
        {6, 65, 1},    {7, 63, 200},  {12, 100, 70}, {13, 129, 66},  {1, 256, 768}, {1, 300, 1000},
        {6, 256, 192}, {20, 257, 65}, {97, 40, 130}, {100, 520, 64}, {0, 10, 10},   {3, 700, 129},
    };
    static const char *const names[] = {"matmul_f32", "matmul_bf16", "matmul_int8"};
    for (int32_t dtype = 0; dtype < 3; dtype++) {
        begin_case(names[dtype]);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            for (int kind = 0; kind < N_KINDS; kind++)
                if (kind == NORMAL || sizes[i][0] <= 7)
                    check_matmul(dtype, sizes[i][0], sizes[i][1], sizes[i][2], kind);
        end_case();
    }
}

/* ---- rows: embedding, layer norm, activations ---- */

static void check_embed(int32_t m, int32_t d) {
    const int64_t ldx = round_up(d, 64);
    float *wte = random_floats(9 * d, NORMAL), *wpe = random_floats(5 * d, NORMAL);
    float *x = guarded_floats(m * ldx);
    int32_t *ids = calloc((size_t)m + 1, 4), *positions = calloc((size_t)m + 1, 4);
    for (int32_t i = 0; i < m; i++) {
        ids[i] = random_below(9);
        positions[i] = random_below(5);
    }
    kernels_embed(x, ldx, wte, wpe, ids, positions, m, d);
    check_guards(x, (size_t)(m * ldx) * 4);
    for (int32_t row = 0; row < m; row++)
        for (int32_t i = 0; i < d; i++) {
            if (x[row * ldx + i] != wte[ids[row] * d + i] + wpe[positions[row] * d + i])
                fail("wrong sum", row, i);
            hash_bytes(&x[row * ldx + i], 4);
        }
    free(ids), free(positions);
    release(wte), release(wpe), release(x);
}

static void check_layer_norm(int32_t m, int32_t d, int kind, int with_rows) {
    const int64_t ldx = round_up(d, 64);
    float *x = random_floats(m * ldx, kind), *out = guarded_floats(m * ldx);
    float *weight = random_floats(d, NORMAL), *bias = random_floats(d, NORMAL);
    int32_t *rows = calloc((size_t)m + 1, 4);
    for (int32_t i = 0; i < m; i++)
        rows[i] = with_rows ? random_below(m) : i;
    kernels_layer_norm(out, ldx, x, ldx, with_rows ? rows : NULL, weight, bias, m, d);
    check_guards(out, (size_t)(m * ldx) * 4);
    double *expected = calloc((size_t)d, 8);
    for (int32_t row = 0; row < m; row++) {
        const float *from = x + rows[row] * ldx;
        reference_layer_norm(expected, from, weight, bias, d);
        double largest = 0;
        for (int32_t i = 0; i < d; i++)
            largest = fmax(largest, fabs(expected[i] - bias[i]));
        for (int32_t i = 0; i < d; i++)
            expect_close(out[row * ldx + i], expected[i],
                         16 * EPSILON * (largest + fabs(bias[i]) + 1e-3) * (kind == LARGE ? 4 : 1));
        hash_bytes(out + row * ldx, (size_t)d * 4);
    }
    free(rows), free(expected);
    release(x), release(out), release(weight), release(bias);
}

static void row_cases(void) {
    begin_case("embed");
    for (int32_t d = 1; d <= 33; d++)
        check_embed(d % 5, d);
    check_embed(200, 130);
    end_case();
    begin_case("layer_norm");
    for (int32_t d = 1; d <= 33; d++)
        for (int kind = 0; kind < N_KINDS; kind++)
            check_layer_norm(d % 4, d, kind, d % 2);
    check_layer_norm(200, 384, NORMAL, 1);
    check_layer_norm(3, 257, LARGE, 0);
    end_case();
}

static const int32_t composed_program[] = {
    KERNELS_OP_GELU, KERNELS_OP_SQUARE,   KERNELS_OP_SCALE, KERNELS_OP_ADD, KERNELS_OP_SILU,
    KERNELS_OP_RELU, KERNELS_OP_IDENTITY, KERNELS_OP_MUL,   KERNELS_OP_ADD, KERNELS_OP_MUL,
};
#define COMPOSED_OPS 10

static void check_activation(int32_t activation, int32_t m, int32_t f, int kind) {
    const int32_t width = activation == KERNELS_ACT_SWIGLU ? 2 * f : f;
    const int64_t ldu = round_up(width, 64), stride = round_up(f, 16);
    float *u = random_floats(m * ldu, kind), *params = random_floats(5 * stride + 16, NORMAL);
    float *before = guarded_floats(m * ldu);
    memcpy(before, u, (size_t)(m * ldu) * 4);
    kernels_activation(activation, u, ldu, m, f, params, composed_program, COMPOSED_OPS);
    check_guards(u, (size_t)(m * ldu) * 4);
    for (int32_t row = 0; row < m; row++) {
        for (int32_t i = 0; i < f; i++) {
            const float *from = before + row * ldu;
            double x = from[i], size;
            double expected = reference_activation(activation, &size, from, i, f, params,
                                                   composed_program, COMPOSED_OPS);
            /* Rounding an exponential's argument y costs |y| ulp of the result. */
            double y = fmin(1.6 * fabs(x) * (1 + 0.044715 * x * x), 100);
            expect_close(u[row * ldu + i], expected,
                         4 * EPSILON * (size * (1 + y / 2) + fmin(fabs(x), 1e10) * 1e-9) + 1e-37);
        }
        hash_bytes(u + row * ldu, (size_t)f * 4);
    }
    release(u), release(params), release(before);
}

static void activation_cases(void) {
    static const char *const names[] = {"gelu",      "silu",       "relu",    "swiglu",
                                        "universal", "kan_spline", "composed"};
    for (int32_t activation = 0; activation <= KERNELS_ACT_COMPOSED; activation++) {
        begin_case(names[activation]);
        for (int32_t f = 1; f <= 33; f++)
            for (int kind = 0; kind < N_KINDS; kind++)
                check_activation(activation, f % 4, f, kind);
        check_activation(activation, 64, 1000, NORMAL);
        end_case();
    }
}

/* ---- attention ---- */

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
    c.block_stride = round_up((int32_t)kernels_kv_layer_floats(n_head, d_head), 16) + 16;
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
        int32_t runs[32], n_runs = 0;
        for (int32_t s = 0; s < c->n_sequences; s++) {
            int32_t left = c->lengths[s] - start;
            int32_t *run = runs + 4 * n_runs++;
            run[0] = c->first_rows[s] + (left > 0 ? start : 0);
            run[1] = left <= 0 ? 0 : left < chunk ? left : chunk;
            run[2] = left > 0 ? start : 0;
            run[3] = c->first_table[s];
            kernels_kv_store(c->kv, c->block_stride, c->qkv + run[0] * c->ldq, c->ldq,
                             c->slots + run[0], run[1], c->n_head, c->d_head);
        }
        kernels_attention(out, ldo, c->qkv, c->ldq, c->kv, c->block_stride, runs, n_runs, c->tables,
                          c->n_head, c->d_head, soft_cap, scratch);
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

static void attention_cases(void) {
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

/* ---- elementary functions, logits, sampling ---- */

static void elementary_cases(void) {
    begin_case("exp_tanh");
    for (uint64_t bits = 0; bits < 0xffff0000u; bits += 16411 * 16) {
        float x[16], power[16], tangent[16];
        for (uint32_t i = 0; i < 16; i++) {
            uint32_t value = (uint32_t)bits + i * 16411;
            memcpy(&x[i], &value, 4);
        }
        vf32_store(power, vf32_exp(vf32_load(x)));
        vf32_store(tangent, vf32_tanh(vf32_load(x)));
        for (uint32_t i = 0; i < 16; i++) {
            if (isnan(x[i])) {
                if (!isnan(power[i]) || !isnan(tangent[i]))
                    fail("NaN is lost", power[i], tangent[i]);
                continue;
            }
            double e = exp(x[i]), t = tanh(x[i]);
            if ((float)e == INFINITY || isinf(power[i])) {
                if ((float)e != power[i])
                    fail("infinity", x[i], power[i]);
            } else {
                expect_close(power[i], e, 2 * EPSILON / 2 * e + 0x1p-149);
            }
            expect_close(tangent[i], t, 2.5 * EPSILON / 2 * fabs(t) + 0x1p-149);
        }
        hash_bytes(power, isnan(x[0]) ? 0 : sizeof power);
    }
    float special[16];
    vf32_store(special, vf32_exp(vf32_set1(-INFINITY)));
    if (special[0] != 0)
        fail("exp(-inf)", special[0], 0);
    end_case();
}

static void check_logits(int32_t vocab, int kind) {
    float *logits = random_floats(vocab, kind);
    for (int32_t i = 0; i < vocab && vocab > 3; i += 1 + random_below(20))
        logits[i] = -INFINITY;
    if (vocab > 1)
        logits[vocab - 2] = 1;
    double sum = kernels_log_sum_exp(logits, vocab),
           expected = reference_log_sum_exp(logits, vocab);
    if (vocab > 1)
        expect_close(sum, expected, 2 * EPSILON * (1 + 0.1 * fabs(expected)));
    hash_bytes(&sum, sizeof sum);
    for (int32_t k = 1; k <= vocab; k = k < 5 ? k + 1 : k * 3) {
        int32_t *ids = (int32_t *)guarded((size_t)k * 4);
        float *values = guarded_floats(k);
        kernels_top_k(logits, vocab, k, ids, values);
        check_guards(ids, (size_t)k * 4);
        check_guards(values, (size_t)k * 4);
        for (int32_t i = 0; i < k; i++) {
            /* Exactly i tokens are better than the i-th. */
            int32_t better = 0;
            for (int32_t j = 0; j < vocab; j++)
                better += logits[j] > logits[ids[i]] || (logits[j] == logits[ids[i]] && j < ids[i]);
            if (better != i || values[i] != logits[ids[i]])
                fail("wrong rank", i, better);
        }
        hash_bytes(ids, (size_t)k * 4);
        release(ids), release(values);
    }
    uint32_t *mask = calloc((size_t)vocab / 32 + 1, 4);
    float *masked = guarded_floats(vocab);
    memcpy(masked, logits, (size_t)vocab * 4);
    for (int32_t i = 0; i <= vocab / 32; i++)
        mask[i] = random_bits();
    kernels_mask_logits(masked, mask, vocab);
    check_guards(masked, (size_t)vocab * 4);
    for (int32_t i = 0; i < vocab; i++)
        if (masked[i] != ((mask[i / 32] >> i % 32 & 1) != 0 ? logits[i] : -INFINITY))
            fail("mask", i, masked[i]);
    free(mask);
    release(masked), release(logits);
}

#define DRAWS 48

static void check_sample(int32_t vocab, int kind) {
    const int64_t ldl = round_up(vocab, 64);
    float *logits = random_floats(4 * ldl, kind);
    logits[random_below(vocab)] = NAN;
    static const float temperatures[] = {0, 0.7f, 1, 2, 1e-42f, 0.01f};
    static const float top_ps[] = {1, 0.9f, 0.5f, 0.999f, 0, 0.1f, 0.99999f};
    static const float min_ps[] = {0, 0, 0.05f, 1};
    int32_t rows[DRAWS], top_ks[DRAWS], choices[DRAWS], counters[DRAWS], ids[DRAWS];
    float temperature[DRAWS], top_p[DRAWS], min_p[DRAWS];
    uint32_t seeds[2 * DRAWS];
    for (int32_t i = 0; i < DRAWS; i++) {
        rows[i] = random_below(4);
        top_ks[i] = random_below(3) == 0 ? 0 : random_below(vocab + 3);
        choices[i] = random_below(4);
        counters[i] = i;
        temperature[i] = temperatures[random_below(6)];
        top_p[i] = top_ps[random_below(7)];
        min_p[i] = min_ps[random_below(4)];
        seeds[2 * i] = random_bits();
        seeds[2 * i + 1] = random_bits();
    }
    const int64_t scratch_bytes = kernels_sample_scratch_bytes(vocab);
    void *scratch = guarded((size_t)scratch_bytes);
    kernels_sample(ids, logits, ldl, vocab, DRAWS, rows, temperature, top_ks, top_p, min_p, seeds,
                   choices, counters, scratch);
    check_guards(scratch, (size_t)scratch_bytes);
    for (int32_t i = 0; i < DRAWS; i++) {
        if (ids[i] < 0 || ids[i] >= vocab)
            fail("id outside of the vocabulary", ids[i], vocab);
        if (isnan(logits[rows[i] * ldl + ids[i]]) && vocab > 1)
            fail("drew a NaN", i, ids[i]);
    }
    hash_bytes(ids, sizeof ids);
    release(scratch), release(logits);
}

static void logit_cases(void) {
    begin_case("logits");
    for (int32_t vocab = 1; vocab <= 40; vocab++)
        check_logits(vocab, vocab % N_KINDS);
    check_logits(5000, NORMAL);
    check_logits(1001, TIED);
    end_case();
    begin_case("sample");
    for (int32_t vocab = 1; vocab <= 40; vocab++)
        check_sample(vocab, vocab % N_KINDS);
    check_sample(3000, NORMAL);
    check_sample(3001, TIED);
    check_sample(50257, NORMAL);
    end_case();
}

static void other_cases(void) {
    begin_case("first_nonfinite");
    float *x = random_floats(5000, LARGE);
    for (int64_t count = 0; count < 5000; count += 501)
        if (kernels_first_nonfinite(x, count) != -1)
            fail("finite", (double)count, 0);
    for (int32_t at = 4999; at >= 0; at -= 123) {
        x[at] = at % 2 == 0 ? NAN : -INFINITY;
        int64_t found = kernels_first_nonfinite(x, 5000);
        if (found != at)
            fail("first", at, (double)found);
    }
    release(x);
    end_case();
    begin_case("measure");
    float *zeros = guarded_floats(1 << 16);
    memset(zeros, 0, 1 << 18);
    expect_close(kernels_measure_read(zeros, 1 << 18), 0, 1e-30);
    expect_close(kernels_measure_fma(3), 3.0 * 24 * 16 * 2 * kernels_threads(), 1e-30);
    release(zeros);
    end_case();
}

/* Random sizes, for the sanitizers. */
static void fuzz(int32_t rounds) {
    begin_case("fuzz");
    for (int32_t i = 0; i < rounds; i++) {
        const int kind = random_below(N_KINDS);
        switch (random_below(6)) {
        case 0:
            check_matmul(random_below(3), random_below(20), 1 + random_below(150),
                         1 + random_below(200), kind);
            break;
        case 1:
            check_layer_norm(random_below(9), 1 + random_below(300), kind, i % 2);
            break;
        case 2:
            check_activation(random_below(7), random_below(9), 1 + random_below(200), kind);
            break;
        case 3: {
            int32_t lengths[4];
            for (int32_t s = 0; s < 4; s++)
                lengths[s] = 1 + random_below(80);
            check_attention(1 + random_below(4), 1 + random_below(70), lengths, 1 + random_below(4),
                            random_below(2) == 0 ? 0 : 30.0f, 1);
            break;
        }
        case 4:
            check_logits(1 + random_below(300), kind);
            break;
        default:
            check_sample(1 + random_below(300), kind);
        }
    }
    end_case();
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "driver ISA THREADS [SEED ROUNDS]\n");
        return 2;
    }
    if (kernels_select(argv[1]) != 0 || strcmp(kernels_isa_name(), argv[1]) != 0) {
        fprintf(stderr, "%s is not available here, of %s\n", argv[1], kernels_isa_list());
        return 3;
    }
    if (kernels_threads_set(atoi(argv[2])) != 0)
        return 4;
    if (argc > 4) {
        random_state ^= strtoull(argv[3], NULL, 10) * 0x9e3779b97f4a7c15u;
        fuzz(atoi(argv[4]));
    } else {
        matmul_cases();
        row_cases();
        activation_cases();
        attention_cases();
        elementary_cases();
        logit_cases();
        other_cases();
    }
    return kernels_threads_set(1);
}
