/*
 * x[i, :] = wte[ids[i], :] + wpe[positions[i], :], or without positions, where no token gives
 * zeros; plain row-major tables.
 */
#ifndef ALPHA_OPS_EMBEDDING_H
#define ALPHA_OPS_EMBEDDING_H

#include "common.h"

static kernels_embed_fn FN(embed);
static void FN(embed)(float *x, int64_t ldx, const float *wte, const float *wpe, const int32_t *ids,
                      const int32_t *positions, int32_t m, int32_t d) {
    for (int32_t row = 0; row < m; row++) {
        float *out = x + row * ldx;
        if (ids[row] < 0) {
            memset(out, 0, (size_t)d * sizeof(float));
            continue;
        }
        const float *token = wte + (int64_t)ids[row] * d;
        if (wpe == NULL) {
            memcpy(out, token, (size_t)d * sizeof(float));
            continue;
        }
        const float *position = wpe + (int64_t)positions[row] * d;
        for (int32_t i = 0; i < d; i++)
            out[i] = token[i] + position[i];
    }
}

#endif
