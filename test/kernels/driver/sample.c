#include "check.h"

#define DRAWS 48

static void check_sample(int32_t vocab, int32_t kind) {
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

void sample_cases(void) {
    begin_case("sample");
    for (int32_t vocab = 1; vocab <= 40; vocab++)
        check_sample(vocab, vocab % N_KINDS);
    check_sample(3000, NORMAL);
    check_sample(3001, TIED);
    check_sample(50257, NORMAL);
    end_case();
}

void sample_fuzz(int32_t kind) { check_sample(1 + random_below(300), kind); }
