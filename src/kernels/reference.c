/*
 * The ops once more, as obvious loops in double precision: what the fast versions are measured
 * against. Compiled into the test driver only. Results are doubles; a `magnitude` is the sum of
 * absolute terms, to which rounding errors are proportional.
 */
#include "reference.h"

#include "kernel_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double bf16_rounded(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t lower = bits & 0xffff;
    bits &= 0xffff0000;
    if (lower > 0x8000 || (lower == 0x8000 && (bits & 0x10000) != 0))
        bits += 0x10000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Value i of a vector of k as its int8 group represents it. */
static double int8_rounded(const float *values, int32_t k, int32_t i) {
    int32_t start = i / INT8_GROUP * INT8_GROUP;
    float largest = 0;
    for (int32_t j = start; j < k && j < start + INT8_GROUP; j++)
        largest = fmaxf(largest, fabsf(values[j]));
    if (largest < 1e-30f)
        return 0;
    return rint((double)(values[i] * (127.0f / largest))) * (double)(largest / 127.0f);
}

/* rows of k at stride ld, as the dtype represents them; the caller frees. */
static double *rounded(int32_t dtype, const float *x, int64_t ld, int32_t rows, int32_t k,
                       int32_t is_weight) {
    double *out = calloc((size_t)rows * (size_t)k + 1, sizeof *out);
    for (int32_t row = 0; row < rows; row++)
        for (int32_t i = 0; i < k; i++) {
            const float *from = x + row * ld;
            double *to = out + (int64_t)row * k + i;
            *to = dtype == KERNELS_DTYPE_INT8                ? int8_rounded(from, k, i)
                  : dtype == KERNELS_DTYPE_BF16 && is_weight ? bf16_rounded(from[i])
                                                             : (double)from[i];
        }
    return out;
}

void reference_matmul(int32_t dtype, double *out, double *magnitude, const float *x, int64_t ldx,
                      const float *w, int32_t m, int32_t k, int32_t n) {
    double *a = rounded(dtype, x, ldx, m, k, 0), *b = rounded(dtype, w, k, n, k, 1);
    for (int32_t row = 0; row < m; row++) {
        for (int32_t column = 0; column < n; column++) {
            double sum = 0, absolute = 0;
            for (int32_t i = 0; i < k; i++) {
                double term = a[(int64_t)row * k + i] * b[(int64_t)column * k + i];
                sum += term;
                absolute += fabs(term);
            }
            out[(int64_t)row * n + column] = sum;
            magnitude[(int64_t)row * n + column] = absolute;
        }
    }
    free(a);
    free(b);
}

void reference_layer_norm(double *out, const float *x, const float *weight, const float *bias,
                          int32_t d) {
    double mean = 0, variance = 0;
    for (int32_t i = 0; i < d; i++)
        mean += x[i] / (double)d;
    for (int32_t i = 0; i < d; i++)
        variance += (x[i] - mean) * (x[i] - mean) / d;
    for (int32_t i = 0; i < d; i++)
        out[i] = (x[i] - mean) / sqrt(variance + 1e-5) * weight[i] + bias[i];
}

/* One query over n keys and values of one head, rows of d at stride ld. */
void reference_attention(double *out, const float *q, const float *keys, const float *values,
                         int64_t ld, int32_t n, int32_t d, double soft_cap) {
    double largest = -INFINITY, total = 0;
    for (int32_t pass = 0; pass < 2; pass++) {
        if (pass == 1)
            memset(out, 0, (size_t)d * sizeof *out);
        for (int32_t t = 0; t < n; t++) {
            double score = 0;
            for (int32_t c = 0; c < d; c++)
                score += (double)q[c] * keys[t * ld + c];
            score /= sqrt(d);
            if (soft_cap > 0)
                score = soft_cap * tanh(score / soft_cap);
            largest = fmax(largest, score);
            if (pass == 0)
                continue;
            total += exp(score - largest);
            for (int32_t c = 0; c < d; c++)
                out[c] += exp(score - largest) * values[t * ld + c];
        }
    }
    for (int32_t c = 0; c < d; c++)
        out[c] /= total;
}

static double silu(double x) { return x / (1 + exp(-x)); }
static double relu(double x) { return x > 0 ? x : 0; }
static double gelu(double x) {
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

/* With is_absolute every term counts with its absolute value: the magnitude of the result. */
static double composed(double x, const float *factors, const int32_t *program, int32_t n_ops,
                       int32_t is_absolute) {
    double stack[16];
    int32_t size = 0;
    for (int32_t i = 0; i < n_ops; i++) {
        if (program[i] == KERNELS_OP_SILU)
            stack[size++] = silu(x);
        else if (program[i] == KERNELS_OP_RELU)
            stack[size++] = relu(x);
        else if (program[i] == KERNELS_OP_GELU)
            stack[size++] = gelu(x);
        else if (program[i] == KERNELS_OP_IDENTITY)
            stack[size++] = x;
        else if (program[i] == KERNELS_OP_SQUARE)
            stack[size++] = x * x;
        else if (program[i] == KERNELS_OP_SCALE)
            stack[size - 1] *= factors[i];
        else if (program[i] == KERNELS_OP_ADD)
            size--, stack[size - 1] += stack[size];
        else
            size--, stack[size - 1] *= stack[size];
        if (is_absolute)
            stack[size - 1] = fabs(stack[size - 1]);
    }
    return stack[0];
}

/* Column i of one row u[f], or u[2f] for swiglu. */
double reference_activation(int32_t activation, double *magnitude, const float *u, int32_t i,
                            int32_t f, const float *params, const int32_t *program, int32_t n_ops) {
    const double x = u[i];
    double terms[5] = {0};
    const float *p = params + i;
    const int64_t stride = (f + 15) / 16 * 16;
    if (activation == KERNELS_ACT_COMPOSED) {
        *magnitude = composed(x, params, program, n_ops, 1);
        return composed(x, params, program, n_ops, 0);
    }
    switch (activation) {
    case KERNELS_ACT_GELU:
        terms[0] = gelu(x);
        break;
    case KERNELS_ACT_SILU:
        terms[0] = silu(x);
        break;
    case KERNELS_ACT_RELU:
        terms[0] = relu(x);
        break;
    case KERNELS_ACT_SWIGLU:
        terms[0] = silu(x) * u[f + i];
        break;
    case KERNELS_ACT_UNIVERSAL:
        terms[0] = silu(x) * p[0];
        terms[1] = x * p[stride];
        break;
    default:
        terms[0] = p[0] * silu(x);
        terms[1] = p[stride] * relu(x);
        terms[2] = p[2 * stride] * gelu(x);
        terms[3] = p[3 * stride] * x;
        terms[4] = p[4 * stride] * x * x;
    }
    double sum = 0;
    *magnitude = 0;
    for (int32_t t = 0; t < 5; t++) {
        sum += terms[t];
        *magnitude += fabs(terms[t]);
    }
    return sum;
}

double reference_log_sum_exp(const float *logits, int32_t vocab) {
    double largest = -INFINITY, sum = 0;
    for (int32_t i = 0; i < vocab; i++)
        largest = fmax(largest, logits[i]);
    for (int32_t i = 0; i < vocab; i++)
        sum += exp(logits[i] - largest);
    return largest + log(sum);
}
