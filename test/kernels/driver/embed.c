#include "check.h"

static void check_embed(int32_t m, int32_t d, bool has_positions) {
    const int64_t ldx = round_up(d, 64);
    float *wte = random_floats(9 * d, NORMAL), *wpe = random_floats(5 * d, NORMAL);
    float *x = guarded_floats(m * ldx);
    int32_t *ids = calloc((size_t)m + 1, 4), *positions = calloc((size_t)m + 1, 4);
    for (int32_t i = 0; i < m; i++) {
        ids[i] = random_below(9);
        positions[i] = random_below(5);
    }
    kernels_embed(x, ldx, wte, has_positions ? wpe : NULL, ids, positions, m, d);
    check_guards(x, (size_t)(m * ldx) * 4);
    for (int32_t row = 0; row < m; row++)
        for (int32_t i = 0; i < d; i++) {
            const float position = has_positions ? wpe[positions[row] * d + i] : 0;
            if (x[row * ldx + i] != wte[ids[row] * d + i] + position)
                fail("wrong sum", row, i);
            hash_bytes(&x[row * ldx + i], 4);
        }
    free(ids), free(positions);
    release(wte), release(wpe), release(x);
}

void embed_cases(void) {
    begin_case("embed");
    for (int32_t d = 1; d <= 33; d++)
        check_embed(d % 5, d, true);
    check_embed(200, 130, true);
    end_case();
}

void embed_tokens_cases(void) {
    begin_case("embed_tokens");
    for (int32_t d = 1; d <= 33; d++)
        check_embed(d % 5, d, false);
    end_case();
}

void embed_nothing_cases(void) {
    begin_case("embed_nothing");
    const int32_t d = 70, ids[] = {-1, 2, -1};
    float *wte = random_floats(3 * d, NORMAL), *x = random_floats(3 * 128, NORMAL);
    kernels_embed(x, 128, wte, NULL, ids, NULL, 3, d);
    for (int32_t row = 0; row < 3; row++) {
        for (int32_t i = 0; i < d; i++)
            if (x[row * 128 + i] != (ids[row] < 0 ? 0 : wte[ids[row] * d + i]))
                fail("expected zeros where no token is", row, i);
        hash_bytes(x + row * 128, (size_t)d * 4);
    }
    release(wte), release(x);
    end_case();
}
