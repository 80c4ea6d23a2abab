/* Whole rows of logits: NaN counts as -infinity everywhere. */
#ifndef ALPHA_OPS_LOGITS_H
#define ALPHA_OPS_LOGITS_H

#include "elementary.h"

/* 16 logits, or the `left` last ones with -infinity behind. */
static inline vf32 load_logits(const float *x, int32_t left) {
    const vf32 lowest = vf32_set1(-INFINITY);
    if (left >= 16)
        return vf32_max(vf32_load(x), lowest);
    return vf32_select(vmask_first(left), vf32_max(vf32_load_n(x, left), lowest), lowest);
}

static kernels_mask_logits_fn FN(mask_logits);
static void FN(mask_logits)(float *logits, const uint32_t *mask, int32_t vocab) {
    for (int32_t i = 0; i < vocab; i++)
        logits[i] = (mask[i >> 5] >> (i & 31) & 1) != 0 ? logits[i] : -INFINITY;
}

static float max_logit(const float *logits, int32_t vocab) {
    vf32 largest = vf32_set1(-INFINITY);
    for (int32_t i = 0; i < vocab; i += 16)
        largest = vf32_max(load_logits(logits + i, vocab - i), largest);
    return vf32_max_of(largest);
}

static kernels_log_sum_exp_fn FN(log_sum_exp);
static double FN(log_sum_exp)(const float *logits, int32_t vocab) {
    const float max = max_logit(logits, vocab);
    if (max == -INFINITY || max == INFINITY)
        return max;
    double sums[16] = {0};
    for (int32_t i = 0; i < vocab; i += 16) {
        float powers[16];
        vf32_store(powers, vf32_exp(vf32_sub(load_logits(logits + i, vocab - i), vf32_set1(max))));
        for (int32_t lane = 0; lane < 16; lane++)
            sums[lane] += (double)powers[lane];
    }
    for (int32_t width = 8; width > 0; width /= 2)
        for (int32_t i = 0; i < width; i++)
            sums[i] += sums[i + width];
    return (double)max + log_f64(sums[0]);
}

#endif
