#include "check.h"

static void check_soft_cap(int32_t m, int32_t d, int32_t kind, float cap) {
    const int64_t ldx = round_up(d, 64);
    float *x = random_floats(m * ldx, kind), *before = guarded_floats(m * ldx);
    memcpy(before, x, (size_t)(m * ldx) * 4);
    kernels_soft_cap(x, ldx, m, d, cap);
    check_guards(x, (size_t)(m * ldx) * 4);
    for (int32_t row = 0; row < m; row++) {
        for (int32_t i = 0; i < d; i++) {
            const double expected = cap * tanh((double)before[row * ldx + i] / cap);
            expect_close(x[row * ldx + i], expected, 4 * EPSILON * fabs(expected) + 1e-43);
        }
        hash_bytes(x + row * ldx, (size_t)d * 4);
        for (int64_t i = row * ldx + d; i < (row + 1) * ldx; i++)
            if (memcmp(x + i, before + i, 4) != 0)
                fail("wrote beyond a row", row, (double)i);
    }
    release(x), release(before);
}

void soft_cap_cases(void) {
    begin_case("soft_cap");
    for (int32_t d = 1; d <= 33; d++)
        for (int32_t kind = 0; kind < N_KINDS; kind++)
            check_soft_cap(d % 4, d, kind, kind % 2 == 0 ? 15.0f : 2.0f);
    check_soft_cap(20, 1000, NORMAL, 30);
    end_case();
}

void soft_cap_fuzz(int32_t kind) {
    const int32_t m = random_below(9);
    check_soft_cap(m, 1 + random_below(300), kind, 1 + (float)random_below(30));
}
