#include "check.h"

static void reference_layer_norm(double *out, const float *x, const float *weight,
                                 const float *bias, int32_t d, double epsilon) {
    double mean = 0, variance = 0;
    for (int32_t i = 0; i < d; i++)
        mean += x[i] / (double)d;
    for (int32_t i = 0; i < d; i++)
        variance += (x[i] - mean) * (x[i] - mean) / d;
    for (int32_t i = 0; i < d; i++)
        out[i] =
            (x[i] - mean) / sqrt(variance + epsilon) * weight[i] + (bias == NULL ? 0 : bias[i]);
}

static void reference_rms_norm(double *out, const float *x, const float *weight, int32_t d,
                               double epsilon) {
    double squares = 0;
    for (int32_t i = 0; i < d; i++)
        squares += (double)x[i] * x[i] / d;
    for (int32_t i = 0; i < d; i++)
        out[i] = x[i] / sqrt(squares + epsilon) * (weight == NULL ? 1 : weight[i]);
}

/* d normalized numbers; outliers make the others small against rounding. */
static void expect_norm(const float *actual, const double *expected, const float *bias, int32_t d,
                        int32_t kind) {
    double largest = 0;
    for (int32_t i = 0; i < d; i++)
        largest = fmax(largest, fabs(expected[i] - (bias == NULL ? 0 : bias[i])));
    for (int32_t i = 0; i < d; i++) {
        const double size = largest + (bias == NULL ? 0 : fabs(bias[i])) + 1e-3;
        expect_close(actual[i], expected[i], 16 * EPSILON * size * (kind == LARGE ? 4 : 1));
    }
}

typedef struct {
    bool has_rows, has_bias;
    float epsilon;
} layer_norm_case;

static void check_layer_norm(int32_t m, int32_t d, int32_t kind, layer_norm_case c) {
    const int64_t ldx = round_up(d, 64);
    float *x = random_floats(m * ldx, kind), *out = guarded_floats(m * ldx);
    float *weight = random_floats(d, NORMAL), *random_bias = random_floats(d, NORMAL);
    const float *bias = c.has_bias ? random_bias : NULL;
    int32_t *rows = calloc((size_t)m + 1, 4);
    for (int32_t i = 0; i < m; i++)
        rows[i] = c.has_rows ? random_below(m) : i;
    kernels_layer_norm(out, ldx, x, ldx, c.has_rows ? rows : NULL, weight, bias, m, d, c.epsilon);
    check_guards(out, (size_t)(m * ldx) * 4);
    double *expected = calloc((size_t)d, 8);
    for (int32_t row = 0; row < m; row++) {
        reference_layer_norm(expected, x + rows[row] * ldx, weight, bias, d, (double)c.epsilon);
        expect_norm(out + row * ldx, expected, bias, d, kind);
        hash_bytes(out + row * ldx, (size_t)d * 4);
    }
    free(rows), free(expected);
    release(x), release(out), release(weight), release(random_bias);
}

void norm_cases(void) {
    const layer_norm_case plain = {.has_bias = true, .epsilon = 1e-5f};
    const layer_norm_case picked = {.has_rows = true, .has_bias = true, .epsilon = 1e-5f};
    begin_case("layer_norm");
    for (int32_t d = 1; d <= 33; d++)
        for (int32_t kind = 0; kind < N_KINDS; kind++)
            check_layer_norm(d % 4, d, kind, d % 2 == 1 ? picked : plain);
    check_layer_norm(200, 384, NORMAL, picked);
    check_layer_norm(3, 257, LARGE, plain);
    end_case();
}

/* Whole rows, in which case some are picked, or groups in place. */
static void check_rms_norm(int32_t m, int32_t n_groups, int32_t d, int32_t kind, bool has_weight) {
    const int64_t ldx = round_up(n_groups * d, 64);
    const bool is_in_place = n_groups > 1;
    float *x = random_floats(m * ldx, kind), *out = guarded_floats(m * ldx);
    float *before = guarded_floats(m * ldx), *random_weight = random_floats(d, NORMAL);
    const float *weight = has_weight ? random_weight : NULL;
    memcpy(before, x, (size_t)(m * ldx) * 4);
    int32_t *rows = calloc((size_t)m + 1, 4);
    for (int32_t i = 0; i < m; i++)
        rows[i] = is_in_place ? i : random_below(m);
    float *to = is_in_place ? x : out;
    kernels_rms_norm(to, ldx, x, ldx, is_in_place ? NULL : rows, weight, m, n_groups, d, 1e-6f);
    check_guards(to, (size_t)(m * ldx) * 4);
    double *expected = calloc((size_t)d, 8);
    for (int32_t row = 0; row < m; row++) {
        for (int32_t group = 0; group < n_groups; group++) {
            const float *got = to + row * ldx + group * d;
            reference_rms_norm(expected, before + rows[row] * ldx + group * d, weight, d, 1e-6);
            expect_norm(got, expected, NULL, d, kind);
            hash_bytes(got, (size_t)d * 4);
        }
    }
    free(rows), free(expected);
    release(x), release(out), release(before), release(random_weight);
}

void other_norm_cases(void) {
    begin_case("layer_norm_without_bias");
    for (int32_t d = 1; d <= 33; d++)
        for (int32_t kind = 0; kind < N_KINDS; kind++)
            check_layer_norm(d % 4, d, kind,
                             (layer_norm_case){.has_rows = d % 2 == 0, .epsilon = 1e-3f});
    end_case();
    begin_case("rms_norm");
    for (int32_t d = 1; d <= 33; d++)
        for (int32_t kind = 0; kind < N_KINDS; kind++)
            check_rms_norm(d % 4, 1 + d % 3, d, kind, kind % 2 == 0);
    check_rms_norm(200, 1, 384, NORMAL, true);
    check_rms_norm(64, 12, 64, NORMAL, true);
    end_case();
}

void norm_fuzz(int32_t kind) {
    const int32_t m = random_below(9), d = 1 + random_below(300);
    check_layer_norm(m, d, kind,
                     (layer_norm_case){random_below(2) == 0, random_below(2) == 0, 1e-5f});
    check_rms_norm(m, 1 + random_below(4), d, kind, random_below(2) == 0);
}
