#include "check.h"

static double bf16_rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t lower = bits & 0xffff;
    bits &= 0xffff0000;
    if (lower > 0x8000 || (lower == 0x8000 && (bits & 0x10000) != 0))
        bits += 0x10000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Numbers that lie 16 apart, `n` of them, by the Hadamard matrix divided by its length: the
 * textbook's butterflies. */
static void rotate(float *x, int32_t n) {
    for (int32_t half = 1; half < n; half *= 2)
        for (int32_t i = 0; i < n; i++)
            if ((i & half) == 0) {
                const float a = x[16 * i], b = x[16 * (i + half)];
                x[16 * i] = a + b;
                x[16 * (i + half)] = a - b;
            }
    for (int32_t i = 0; i < n; i++)
        x[16 * i] /= sqrtf((float)n);
}

/* A whole group in sixteens, the last one in fours as far as they go. */
static void rotate_group(float *x, int32_t count) {
    const int32_t n = count == INT8_GROUP ? 16 : 4;
    for (int32_t start = 0; start + 16 * n <= count; start += 16 * n)
        for (int32_t i = 0; i < 16; i++)
            rotate(x + start + i, n);
}

/* A vector of k as its int8 groups represent it, still rotated. */
static void int8_rounded(double *to, const float *from, int32_t k) {
    for (int32_t start = 0; start < k; start += INT8_GROUP) {
        const int32_t count = k - start < INT8_GROUP ? k - start : INT8_GROUP;
        float values[INT8_GROUP], largest = 0;
        memcpy(values, from + start, (size_t)count * sizeof *values);
        rotate_group(values, count);
        for (int32_t i = 0; i < count; i++)
            largest = fmaxf(largest, fabsf(values[i]));
        for (int32_t i = 0; i < count; i++)
            to[start + i] = largest < 1e-30f ? 0
                                             : rint((double)(values[i] * (127.0f / largest))) *
                                                   (double)(largest / 127.0f);
    }
}

/* rows of k at stride ld, as the dtype represents them; the caller frees. */
static double *rounded(int32_t dtype, const float *x, int64_t ld, int32_t rows, int32_t k,
                       bool is_weight) {
    double *out = calloc((size_t)rows * (size_t)k + 1, sizeof *out);
    for (int32_t row = 0; row < rows; row++) {
        const float *from = x + row * ld;
        double *to = out + (int64_t)row * k;
        if (dtype == KERNELS_DTYPE_INT8)
            int8_rounded(to, from, k);
        else
            for (int32_t i = 0; i < k; i++)
                to[i] = dtype == KERNELS_DTYPE_BF16 && is_weight ? bf16_rounded(from[i]) : from[i];
    }
    return out;
}

static void reference_matmul(int32_t dtype, double *out, double *magnitude, const float *x,
                             int64_t ldx, const float *w, int32_t m, int32_t k, int32_t n) {
    double *a = rounded(dtype, x, ldx, m, k, false), *b = rounded(dtype, w, k, n, k, true);
    for (int32_t row = 0; row < m; row++) {
        for (int32_t column = 0; column < n; column++) {
            double sum = 0, absolute = 0;
            for (int32_t i = 0; i < k; i++) {
                double term = a[(int64_t)row * k + i] * b[(int64_t)column * k + i];
                sum += term;
                absolute += fabs(term);
            }
            out[(int64_t)row * n + column] = sum;
            magnitude[(int64_t)row * n + column] = absolute;
        }
    }
    free(a);
    free(b);
}

static void *packed_weights(int32_t dtype, const float *w, int32_t k, int32_t n) {
    int64_t bytes = kernels_packed_bytes(dtype, k, n);
    void *packed = guarded((size_t)bytes);
    memset(packed, 0, (size_t)bytes);
    /* In two calls, as several tensors become one matrix. */
    int32_t split = n / 3;
    kernels_pack(dtype, packed, w, 0, split, k);
    kernels_pack(dtype, packed, w + (int64_t)split * k, split, n - split, k);
    check_guards(packed, (size_t)bytes);
    return packed;
}

static void check_matmul(int32_t dtype, int32_t m, int32_t k, int32_t n, int32_t kind) {
    const int64_t ldx = round_up(k, 64), ldo = round_up(n, 64) + 64;
    float *w = random_floats((int64_t)n * k, kind), *x = random_floats(m * ldx, kind);
    void *packed = packed_weights(dtype, w, k, n);
    const int64_t scratch_bytes = kernels_matmul_scratch_bytes(dtype, m, k);
    void *scratch = guarded((size_t)scratch_bytes);
    float *out = guarded_floats(m * ldo), *sum = random_floats(m * ldo, NORMAL);
    float *added = guarded_floats(m * ldo), *single = guarded_floats(m * ldo);
    memcpy(added, sum, (size_t)(m * ldo) * 4);
    memcpy(out, sum, (size_t)(m * ldo) * 4);
    kernels_matmul(dtype, out, ldo, x, ldx, packed, NULL, m, k, n, 0, scratch);
    kernels_matmul(dtype, added, ldo, x, ldx, packed, NULL, m, k, n, 1, scratch);
    for (int32_t row = 0; row < m; row++)
        kernels_matmul(dtype, single + row * ldo, ldo, x + row * ldx, ldx, packed, NULL, 1, k, n, 0,
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
            if (got[i] != 0 && got[i] != sum[row * ldo + i])
                fail("columns beyond n are neither zeros nor as they were", i, got[i]);
        if (memcmp(got, single + row * ldo, (size_t)n * 4) != 0)
            fail("a row depends on its neighbours", row, m);
        hash_bytes(got, (size_t)n * 4);
    }
    free(expected), free(magnitude);
    release(w), release(x), release(packed), release(scratch);
    release(out), release(sum), release(added), release(single);
}

void matmul_cases(void) {
    static const int32_t sizes[][3] = {
        {1, 1, 1},     {1, 7, 3},     {2, 16, 64},   {3, 33, 65},    {4, 31, 63},   {5, 64, 128},
        {6, 65, 1},    {7, 63, 200},  {12, 100, 70}, {13, 129, 66},  {1, 256, 768}, {1, 300, 1000},
        {6, 256, 192}, {20, 257, 65}, {97, 40, 130}, {100, 520, 64}, {0, 10, 10},   {3, 700, 129},
    };
    static const char *const names[] = {"matmul_f32", "matmul_bf16", "matmul_int8"};
    for (int32_t dtype = 0; dtype < 3; dtype++) {
        begin_case(names[dtype]);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            for (int32_t kind = 0; kind < N_KINDS; kind++)
                if (kind == NORMAL || sizes[i][0] <= 7)
                    check_matmul(dtype, sizes[i][0], sizes[i][1], sizes[i][2], kind);
        end_case();
    }
}

/* Blocks of 16 rows and what is left of them, of 8 rows and less; whole groups of inputs and
 * others. */
void int8_blocks_cases(void) {
    static const int32_t sizes[][3] = {
        {8, 70, 130},   {9, 64, 16},  {15, 190, 33}, {16, 128, 64}, {17, 6, 65},
        {24, 192, 100}, {25, 65, 20}, {40, 321, 17}, {64, 3, 129},  {128, 127, 70},
    };
    begin_case("matmul_int8_blocks");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int32_t kind = 0; kind < N_KINDS; kind++)
            if (kind == NORMAL || sizes[i][0] <= 17)
                check_matmul(KERNELS_DTYPE_INT8, sizes[i][0], sizes[i][1], sizes[i][2], kind);
    end_case();
}

/* More rows than meet a panel together, in several groups; more inputs than one piece of a panel.
 */
void many_rows_cases(void) {
    static const int32_t sizes[][3] = {{133, 300, 70}, {200, 65, 65}, {270, 513, 20}};
    begin_case("matmul_many_rows");
    for (int32_t dtype = 0; dtype < 3; dtype++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            check_matmul(dtype, sizes[i][0], sizes[i][1], sizes[i][2], NORMAL);
    end_case();
}

/* The bias is one addition to the finished chain, the accumulation another one. */
static void check_bias(int32_t dtype, int32_t m, int32_t k, int32_t n, int32_t kind) {
    const int64_t ldx = round_up(k, 64), ldo = round_up(n, 64), size = m * ldo;
    float *w = random_floats((int64_t)n * k, kind), *x = random_floats(m * ldx, kind);
    float *bias = random_floats(n, kind), *sum = random_floats(size, NORMAL);
    void *packed = packed_weights(dtype, w, k, n);
    void *scratch = guarded((size_t)kernels_matmul_scratch_bytes(dtype, m, k));
    float *plain = guarded_floats(size), *out = guarded_floats(size), *added = guarded_floats(size);
    memcpy(added, sum, (size_t)size * 4);
    memcpy(out, sum, (size_t)size * 4);
    kernels_matmul(dtype, plain, ldo, x, ldx, packed, NULL, m, k, n, 0, scratch);
    kernels_matmul(dtype, out, ldo, x, ldx, packed, bias, m, k, n, 0, scratch);
    kernels_matmul(dtype, added, ldo, x, ldx, packed, bias, m, k, n, 1, scratch);
    check_guards(out, (size_t)size * 4);
    check_guards(added, (size_t)size * 4);
    for (int32_t row = 0; row < m; row++) {
        for (int32_t i = 0; i < round_up(n, 64); i++) {
            const int64_t at = row * ldo + i;
            const float expected = i < n ? plain[at] + bias[i] : 0;
            if (out[at] != expected && (i < n || out[at] != sum[at]))
                fail("bias is not one addition", out[at], expected);
            if (added[at] != sum[at] + expected)
                fail("accumulate is not one addition", added[at], sum[at] + expected);
        }
        hash_bytes(out + row * ldo, (size_t)n * 4);
    }
    release(w), release(x), release(bias), release(sum), release(packed), release(scratch);
    release(plain), release(out), release(added);
}

void bias_cases(void) {
    static const int32_t sizes[][3] = {
        {1, 1, 1}, {1, 64, 64}, {2, 7, 65}, {6, 100, 127}, {7, 300, 192}, {100, 520, 70},
    };
    begin_case("matmul_bias");
    for (int32_t dtype = 0; dtype < 3; dtype++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            for (int32_t kind = 0; kind < N_KINDS; kind++)
                check_bias(dtype, sizes[i][0], sizes[i][1], sizes[i][2], kind);
    end_case();
}

void bias_fuzz(int32_t kind) {
    const int32_t dtype = random_below(3), m = random_below(20), k = 1 + random_below(150);
    check_bias(dtype, m, k, 1 + random_below(200), kind);
}

void matmul_fuzz(int32_t kind) {
    const int32_t dtype = random_below(3), m = random_below(20), k = 1 + random_below(400);
    check_matmul(dtype, m, k, 1 + random_below(200), kind);
}

/* Weights stored by inputs, handed over in pieces, pack to the same bytes. */
static void check_pack_inputs(int32_t dtype, int32_t k, int32_t n, int32_t kind) {
    const int64_t lds = n + 3;
    float *w = random_floats((int64_t)n * k, kind), *turned = guarded_floats(k * lds);
    for (int32_t input = 0; input < k; input++)
        for (int32_t column = 0; column < n; column++)
            turned[input * lds + column] = w[(int64_t)column * k + input];
    const size_t bytes = (size_t)kernels_packed_bytes(dtype, k, n);
    void *expected = packed_weights(dtype, w, k, n), *packed = guarded(bytes);
    memset(packed, 0, bytes);
    const int32_t split = n / 3;
    for (int32_t input = 0; input < k; input += INT8_GROUP) {
        const int32_t count = k - input < INT8_GROUP ? k - input : INT8_GROUP;
        const float *from = turned + input * lds;
        kernels_pack_inputs(dtype, packed, from, lds, input, count, 0, split, k);
        kernels_pack_inputs(dtype, packed, from + split, lds, input, count, split, n - split, k);
    }
    check_guards(packed, bytes);
    if (memcmp(packed, expected, bytes) != 0)
        fail("packed otherwise than by outputs", k, n);
    hash_bytes(packed, bytes);
    release(w), release(turned), release(expected), release(packed);
}

void pack_inputs_cases(void) {
    static const int32_t sizes[][2] = {{1, 1}, {3, 70}, {64, 64}, {65, 130}, {300, 17}, {257, 200}};
    begin_case("pack_inputs");
    for (int32_t dtype = 0; dtype < 3; dtype++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
            for (int32_t kind = 0; kind < N_KINDS; kind++)
                check_pack_inputs(dtype, sizes[i][0], sizes[i][1], kind);
    end_case();
}

/* Whole groups of inputs, and last ones of all numbers of slices. */
void int8_groups_cases(void) {
    static const int32_t sizes[][3] = {{1, 576, 70},  {5, 448, 20},  {6, 511, 33},   {8, 512, 65},
                                       {17, 256, 65}, {30, 800, 33}, {40, 768, 130}, {9, 1090, 17}};
    begin_case("matmul_int8_groups");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int32_t kind = 0; kind < N_KINDS; kind++) {
            check_matmul(KERNELS_DTYPE_INT8, sizes[i][0], sizes[i][1], sizes[i][2], kind);
            check_pack_inputs(KERNELS_DTYPE_INT8, sizes[i][1], sizes[i][2], kind);
        }
    end_case();
}

void pack_inputs_fuzz(int32_t kind) {
    const int32_t dtype = random_below(3), k = 1 + random_below(600);
    check_pack_inputs(dtype, k, 1 + random_below(200), kind);
}
