#include "check.h"

typedef struct {
    int32_t m, d;
    bool has_x_factor, has_y_factor, is_difference;
} mix_case;

static void check_mix(mix_case c, int32_t kind) {
    const int64_t ld = round_up(c.d, 64);
    const float a = 1.25f, b = -0.3f, sign = c.is_difference ? -1 : 1;
    float *x = random_floats(c.m * ld, kind), *y = random_floats(c.m * ld, kind);
    float *out = guarded_floats(c.m * ld);
    kernels_mix(out, ld, x, ld, y, ld, c.has_x_factor ? &a : NULL, c.has_y_factor ? &b : NULL, sign,
                c.m, c.d);
    check_guards(out, (size_t)(c.m * ld) * 4);
    for (int32_t row = 0; row < c.m; row++) {
        for (int32_t i = 0; i < c.d; i++) {
            const double first = (c.has_x_factor ? a : 1.0) * x[row * ld + i];
            const double second = sign * (c.has_y_factor ? b : 1.0) * y[row * ld + i];
            const double tolerance = 2 * EPSILON * (fabs(first) + fabs(second)) + 1e-44;
            expect_close(out[row * ld + i], first + second, tolerance);
        }
        hash_bytes(out + row * ld, (size_t)c.d * 4);
    }
    release(x), release(y), release(out);
}

void mix_cases(void) {
    begin_case("mix");
    for (int32_t d = 1; d <= 33; d++)
        for (int32_t kind = 0; kind < N_KINDS; kind++)
            check_mix((mix_case){d % 5, d, d % 2 == 0, d % 3 == 0, kind % 2 == 0}, kind);
    check_mix((mix_case){200, 130, true, true, false}, NORMAL);
    end_case();
}

void mix_fuzz(int32_t kind) {
    const int32_t flags = random_below(8);
    check_mix((mix_case){random_below(9), 1 + random_below(300), (flags & 1) != 0, (flags & 2) != 0,
                         (flags & 4) != 0},
              kind);
}

typedef struct {
    int32_t m, n_inputs, n_groups, d;
    bool has_factor, is_own;
} gated_case;

/* `is_own`: the gate reads the very rows that are added to, of which there is one group. */
static void check_add_gated(gated_case c, int32_t kind) {
    const int64_t ld = round_up(c.n_groups * c.d > c.n_inputs ? c.n_groups * c.d : c.n_inputs, 64);
    const float factor = -0.7f, scale = 3;
    float *x = random_floats(c.m * ld, NORMAL), *before = guarded_floats(c.m * ld);
    memcpy(before, x, (size_t)(c.m * ld) * 4);
    float *y = random_floats(c.m * ld, kind), *others = random_floats(c.m * ld, NORMAL);
    float *gates = random_floats(c.n_groups * c.n_inputs, NORMAL);
    const float *inputs = c.is_own ? x : others, *read = c.is_own ? before : others;
    kernels_add_gated(x, ld, y, ld, inputs, ld, gates, c.has_factor ? &factor : NULL, scale, c.m,
                      c.n_inputs, c.n_groups, c.d);
    check_guards(x, (size_t)(c.m * ld) * 4);
    for (int32_t row = 0; row < c.m; row++) {
        for (int32_t group = 0; group < c.n_groups; group++) {
            double sum = 0, size = 0;
            for (int32_t i = 0; i < c.n_inputs; i++) {
                const double term = (double)read[row * ld + i] * gates[group * c.n_inputs + i];
                sum += term;
                size += fabs(term);
            }
            const double gate = scale * (c.has_factor ? factor : 1.0) / (1 + exp(-sum));
            for (int32_t i = group * c.d; i < (group + 1) * c.d; i++) {
                const double added = gate * y[row * ld + i], own = before[row * ld + i];
                const double tolerance =
                    EPSILON * (fabs(own) + (4 + 4 * size) * fabs(added)) + 1e-43;
                expect_close(x[row * ld + i], own + added, tolerance);
            }
        }
        hash_bytes(x + row * ld, (size_t)(c.n_groups * c.d) * 4);
    }
    release(x), release(before), release(y), release(others), release(gates);
}

void add_gated_cases(void) {
    begin_case("add_gated");
    for (int32_t d = 1; d <= 33; d++)
        for (int32_t kind = 0; kind < N_KINDS; kind++)
            check_add_gated((gated_case){d % 5, 1 + d, 1 + d % 3, d, kind % 2 == 0, false}, kind);
    check_add_gated((gated_case){200, 24, 1, 130, true, true}, NORMAL);
    end_case();
}

void add_gated_fuzz(int32_t kind) {
    const int32_t n_groups = 1 + random_below(4);
    check_add_gated((gated_case){random_below(9), 1 + random_below(40), n_groups,
                                 1 + random_below(70), random_below(2) == 0, n_groups == 1},
                    kind);
}
