#include "check.h"

static void reference_layer_norm(double *out, const float *x, const float *weight,
                                 const float *bias, int32_t d) {
    double mean = 0, variance = 0;
    for (int32_t i = 0; i < d; i++)
        mean += x[i] / (double)d;
    for (int32_t i = 0; i < d; i++)
        variance += (x[i] - mean) * (x[i] - mean) / d;
    for (int32_t i = 0; i < d; i++)
        out[i] = (x[i] - mean) / sqrt(variance + 1e-5) * weight[i] + bias[i];
}

static void check_layer_norm(int32_t m, int32_t d, int32_t kind, bool has_rows) {
    const int64_t ldx = round_up(d, 64);
    float *x = random_floats(m * ldx, kind), *out = guarded_floats(m * ldx);
    float *weight = random_floats(d, NORMAL), *bias = random_floats(d, NORMAL);
    int32_t *rows = calloc((size_t)m + 1, 4);
    for (int32_t i = 0; i < m; i++)
        rows[i] = has_rows ? random_below(m) : i;
    kernels_layer_norm(out, ldx, x, ldx, has_rows ? rows : NULL, weight, bias, m, d);
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

void norm_cases(void) {
    begin_case("layer_norm");
    for (int32_t d = 1; d <= 33; d++)
        for (int32_t kind = 0; kind < N_KINDS; kind++)
            check_layer_norm(d % 4, d, kind, d % 2 == 1);
    check_layer_norm(200, 384, NORMAL, true);
    check_layer_norm(3, 257, LARGE, false);
    end_case();
}

void norm_fuzz(int32_t kind) {
    const int32_t m = random_below(9), d = 1 + random_below(300);
    check_layer_norm(m, d, kind, random_below(2) == 0);
}
