#include "check.h"

static double reference_log_sum_exp(const float *logits, int32_t vocab) {
    double largest = -INFINITY, sum = 0;
    for (int32_t i = 0; i < vocab; i++)
        largest = fmax(largest, logits[i]);
    for (int32_t i = 0; i < vocab; i++)
        sum += exp(logits[i] - largest);
    return largest + log(sum);
}

static void check_logits(int32_t vocab, int32_t kind) {
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

void logits_cases(void) {
    begin_case("logits");
    for (int32_t vocab = 1; vocab <= 40; vocab++)
        check_logits(vocab, vocab % N_KINDS);
    check_logits(5000, NORMAL);
    check_logits(1001, TIED);
    end_case();
}

void logits_fuzz(int32_t kind) { check_logits(1 + random_below(300), kind); }
