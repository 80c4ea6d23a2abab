/* Naive double-precision versions of the ops, for the test driver. */
#ifndef ALPHA_REFERENCE_H
#define ALPHA_REFERENCE_H

#include <stdint.h>

void reference_matmul(int32_t dtype, double *out, double *magnitude, const float *x, int64_t ldx,
                      const float *w, int32_t m, int32_t k, int32_t n);
void reference_layer_norm(double *out, const float *x, const float *weight, const float *bias,
                          int32_t d);
void reference_attention(double *out, const float *q, const float *keys, const float *values,
                         int64_t ld, int32_t n, int32_t d, double soft_cap);
double reference_activation(int32_t activation, double *magnitude, const float *u, int32_t i,
                            int32_t f, const float *params, const int32_t *program, int32_t n_ops);
double reference_log_sum_exp(const float *logits, int32_t vocab);

#endif
