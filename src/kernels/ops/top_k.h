/*
 * The k best of a row. A heap whose root is the worst of them meets every value that beats it; a
 * bound found first, which few but enough values reach, spares it the rest.
 */
#ifndef ALPHA_OPS_TOP_K_H
#define ALPHA_OPS_TOP_K_H

#include "logits.h"

/* No bool: gcc then branches, which costs 7 % of a draw. */
static inline int32_t is_worse(float value, int32_t id, float than_value, int32_t than_id) {
    return value < than_value || (value == than_value && id > than_id);
}

static void sift_down(float *values, int32_t *ids, int32_t size, float value, int32_t id) {
    int32_t at = 0;
    for (;;) {
        int32_t child = 2 * at + 1;
        if (child >= size)
            break;
        if (child + 1 < size &&
            is_worse(values[child + 1], ids[child + 1], values[child], ids[child]))
            child++;
        if (!is_worse(values[child], ids[child], value, id))
            break;
        values[at] = values[child];
        ids[at] = ids[child];
        at = child;
    }
    values[at] = value;
    ids[at] = id;
}

static void sift_up(float *values, int32_t *ids, int32_t at, float value, int32_t id) {
    while (at > 0 && is_worse(value, id, values[(at - 1) / 2], ids[(at - 1) / 2])) {
        values[at] = values[(at - 1) / 2];
        ids[at] = ids[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    values[at] = value;
    ids[at] = id;
}

/* Fill a heap with the k largest of x[n], ties to the lower id. 1 ≤ k ≤ n. */
static void select_largest(const float *x, int32_t n, int32_t k, float *values, int32_t *ids) {
    for (int32_t i = 0; i < k; i++)
        sift_up(values, ids, i, x[i] > -INFINITY ? x[i] : -INFINITY, i);
    for (int32_t i = k; i < n; i += 16) {
        vf32 candidates = load_logits(x + i, n - i);
        uint32_t better = vmask_bits(vf32_gt(candidates, vf32_set1(values[0])));
        for (; better != 0; better &= better - 1) {
            int32_t id = i + __builtin_ctz(better);
            if (x[id] > values[0])
                sift_down(values, ids, k, x[id], id);
        }
    }
}

static kernels_top_k_fn FN(top_k);
static void FN(top_k)(const float *logits, int32_t vocab, int32_t k, int32_t *ids, float *values) {
    if (k <= 0)
        return;
    select_largest(logits, vocab, k, values, ids);
    /* The worst goes to the end, again and again. */
    for (int32_t size = k - 1; size > 0; size--) {
        float value = values[size];
        int32_t id = ids[size];
        values[size] = values[0];
        ids[size] = ids[0];
        sift_down(values, ids, size, value, id);
    }
}

#define GROUP_VECTORS 32
/* Logits so far below the largest are not worth looking for. */
#define SELECTION_RANGE 32.0f
#define HALVINGS 12

/* How many of the values are at least `bound`. */
static int32_t count_from(const vf32 *values, int32_t n_vectors, float bound) {
    int32_t count = 0;
    for (int32_t v = 0; v < n_vectors; v++)
        count += __builtin_popcount(vmask_bits(vf32_ge(values[v], vf32_set1(bound))));
    return count;
}

/*
 * A bound that at least k of z[n] reach, and mostly few more; -infinity where none was found.
 * z is split into some hundred groups. A bound that k groups' maxima reach is reached by k values,
 * one of each group; halving an interval finds one.
 */
static float selection_bound(const float *z, int32_t n, int32_t k, float max) {
    const int32_t n_vectors = (n + 15) / 16;
    const int32_t n_best = n_vectors < GROUP_VECTORS ? n_vectors : GROUP_VECTORS;
    if (n_best < 1)
        return -INFINITY;
    vf32 best[GROUP_VECTORS];
    for (int32_t v = 0; v < n_best; v++)
        best[v] = vf32_load(z + 16 * v);
    for (int32_t start = n_best; start < n_vectors; start += n_best)
        for (int32_t v = 0; v < n_best && start + v < n_vectors; v++)
            best[v] = vf32_max(vf32_load(z + 16 * (start + v)), best[v]);
    float low = max - SELECTION_RANGE, high = max;
    if (count_from(best, n_best, low) < k)
        return -INFINITY;
    for (int32_t i = 0; i < HALVINGS; i++) {
        const float middle = low + (high - low) / 2;
        const int32_t count = count_from(best, n_best, middle);
        if (count < k)
            high = middle;
        else
            low = middle;
        if (count >= k && count <= k + k / 8)
            break;
    }
    return low;
}

#endif
