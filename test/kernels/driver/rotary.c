#include "check.h"

#define POSITIONS 40

typedef struct {
    int32_t m, n_head, d_head, n_rotary;
    bool is_interleaved;
} rotary_case;

static void check_rotary(rotary_case c, int32_t kind) {
    const int64_t ldx = round_up(c.n_head * c.d_head, 64);
    const int32_t half = c.n_rotary / 2;
    float *x = random_floats(c.m * ldx, kind), *before = guarded_floats(c.m * ldx);
    memcpy(before, x, (size_t)(c.m * ldx) * 4);
    float *table = guarded_floats(POSITIONS * c.n_rotary);
    for (int32_t p = 0; p < POSITIONS; p++)
        for (int32_t i = 0; i < half; i++) {
            const double angle = p * pow(10000, -2.0 * i / c.n_rotary);
            table[p * c.n_rotary + i] = (float)cos(angle);
            table[p * c.n_rotary + half + i] = (float)sin(angle);
        }
    int32_t *positions = calloc((size_t)c.m + 1, 4);
    for (int32_t i = 0; i < c.m; i++)
        positions[i] = random_below(POSITIONS);
    kernels_rotary(x, ldx, positions, table, c.m, c.n_head, c.d_head, c.n_rotary, c.is_interleaved);
    check_guards(x, (size_t)(c.m * ldx) * 4);
    for (int32_t row = 0; row < c.m; row++) {
        for (int32_t head = 0; head < c.n_head; head++) {
            const int64_t at = row * ldx + head * c.d_head;
            const float *cosines = table + positions[row] * c.n_rotary;
            for (int32_t i = 0; i < half; i++) {
                const int64_t first = at + (c.is_interleaved ? 2 * i : i);
                const int64_t second = c.is_interleaved ? first + 1 : first + half;
                const double a = before[first], b = before[second];
                const double cosine = cosines[i], sine = cosines[half + i];
                const double tolerance = 2 * EPSILON * (fabs(a) + fabs(b)) + 1e-44;
                expect_close(x[first], a * cosine - b * sine, tolerance);
                expect_close(x[second], b * cosine + a * sine, tolerance);
            }
            if (memcmp(x + at + c.n_rotary, before + at + c.n_rotary,
                       (size_t)(c.d_head - c.n_rotary) * 4) != 0)
                fail("turned what stays", row, head);
            hash_bytes(x + at, (size_t)c.d_head * 4);
        }
    }
    free(positions);
    release(x), release(before), release(table);
}

void rotary_cases(void) {
    for (int32_t is_interleaved = 0; is_interleaved < 2; is_interleaved++) {
        begin_case(is_interleaved ? "rotary_interleaved" : "rotary");
        for (int32_t d_head = 2; d_head <= 80; d_head += 2)
            for (int32_t kind = 0; kind < N_KINDS; kind++)
                check_rotary((rotary_case){.m = d_head % 5,
                                           .n_head = 1 + d_head % 3,
                                           .d_head = d_head,
                                           .n_rotary = kind % 2 == 0 ? d_head : d_head / 4 * 2,
                                           .is_interleaved = is_interleaved},
                             kind);
        check_rotary((rotary_case){200, 9, 64, 64, is_interleaved}, NORMAL);
        end_case();
    }
}

void rotary_fuzz(int32_t kind) {
    const int32_t d_head = 1 + random_below(100);
    rotary_case c = {.m = random_below(9), .n_head = 1 + random_below(5), .d_head = d_head};
    c.n_rotary = random_below(d_head / 2 + 1) * 2;
    c.is_interleaved = random_below(2) == 0;
    check_rotary(c, kind);
}
