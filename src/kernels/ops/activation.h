/*
 * The MLP's nonlinearity, in place and element by element; formulas in kernels.h. About 20
 * operations per exponential. The last vector of a row stores only the row's own columns.
 */
#ifndef ALPHA_OPS_ACTIVATION_H
#define ALPHA_OPS_ACTIVATION_H

#include "elementary.h"

/* Work of one element: an exponential and what surrounds it. */
#define ACTIVATION_WORK 16

typedef struct {
    int32_t activation;
    float *u;
    int64_t ldu;
    int32_t f;
    const float *params;
    const int32_t *program;
    int32_t n_ops;
} activation_job;

/* The composed activation's postfix program on one vector. */
static vf32 run_program(const activation_job *job, vf32 x) {
    vf32 stack[KERNELS_ACT_STACK_MAX];
    int32_t top = -1;
    for (int32_t i = 0; i < job->n_ops; i++) {
        switch (job->program[i]) {
        case KERNELS_OP_SILU:
            stack[++top] = vf32_silu(x);
            break;
        case KERNELS_OP_RELU:
            stack[++top] = vf32_relu(x);
            break;
        case KERNELS_OP_GELU:
            stack[++top] = vf32_gelu(x);
            break;
        case KERNELS_OP_IDENTITY:
            stack[++top] = x;
            break;
        case KERNELS_OP_SQUARE:
            stack[++top] = vf32_mul(x, x);
            break;
        case KERNELS_OP_SCALE:
            stack[top] = vf32_mul(stack[top], vf32_set1(job->params[i]));
            break;
        case KERNELS_OP_ADD:
            top--;
            stack[top] = vf32_add(stack[top], stack[top + 1]);
            break;
        default:
            top--;
            stack[top] = vf32_mul(stack[top], stack[top + 1]);
        }
    }
    return stack[0];
}

static inline vf32 universal(const float *params, int64_t stride, vf32 x) {
    vf32 silu = vf32_mul(vf32_silu(x), vf32_load(params));
    return vf32_fma(x, vf32_load(params + stride), silu);
}

static inline vf32 kan_spline(const float *params, int64_t stride, vf32 x) {
    vf32 sum = vf32_mul(vf32_silu(x), vf32_load(params));
    sum = vf32_fma(vf32_relu(x), vf32_load(params + stride), sum);
    sum = vf32_fma(vf32_gelu(x), vf32_load(params + 2 * stride), sum);
    sum = vf32_fma(x, vf32_load(params + 3 * stride), sum);
    return vf32_fma(vf32_mul(x, x), vf32_load(params + 4 * stride), sum);
}

static inline vf32 load_columns(const float *from, int32_t lanes) {
    return lanes < 16 ? vf32_load_n(from, lanes) : vf32_load(from);
}

/* Columns i … i + 15 of a row. */
static inline vf32 activate(const activation_job *job, const float *u, int32_t i, int32_t lanes) {
    const int64_t stride = round_up(job->f, 16);
    const float *up = u + job->f + i; /* of gated activations */
    const vf32 x = load_columns(u + i, lanes);
    switch (job->activation) {
    case KERNELS_ACT_GELU:
        return vf32_gelu(x);
    case KERNELS_ACT_SILU:
        return vf32_silu(x);
    case KERNELS_ACT_RELU:
        return vf32_relu(x);
    case KERNELS_ACT_GELU_ERF:
        return vf32_gelu_erf(x);
    case KERNELS_ACT_RELU_SQUARED:
        return vf32_relu_squared(x);
    case KERNELS_ACT_SWIGLU:
        return vf32_mul(vf32_silu(x), load_columns(up, lanes));
    case KERNELS_ACT_GEGLU:
        return vf32_mul(vf32_gelu(x), load_columns(up, lanes));
    case KERNELS_ACT_GEGLU_ERF:
        return vf32_mul(vf32_gelu_erf(x), load_columns(up, lanes));
    case KERNELS_ACT_REGLU:
        return vf32_mul(vf32_relu(x), load_columns(up, lanes));
    case KERNELS_ACT_REGLU_SQUARED:
        return vf32_mul(vf32_relu_squared(x), load_columns(up, lanes));
    case KERNELS_ACT_UNIVERSAL:
        return universal(job->params + i, stride, x);
    case KERNELS_ACT_KAN_SPLINE:
        return kan_spline(job->params + i, stride, x);
    default:
        return run_program(job, x);
    }
}

static void activate_rows(const void *context, int64_t begin, int64_t end, int32_t thread) {
    (void)thread;
    const activation_job *job = context;
    for (int64_t row = begin; row < end; row++) {
        float *u = job->u + row * job->ldu;
        int32_t i = 0;
        for (; i + 16 <= job->f; i += 16) {
            read_ahead((const char *)(u + i), LINE_BYTES);
            vf32_store(u + i, activate(job, u, i, 16));
        }
        if (i < job->f)
            vf32_store_n(u + i, activate(job, u, i, job->f - i), job->f - i);
    }
}

static kernels_activation_fn FN(activation);
static void FN(activation)(int32_t activation, float *u, int64_t ldu, int32_t m, int32_t f,
                           const float *params, const int32_t *program, int32_t n_ops) {
    activation_job job = {
        .activation = activation,
        .u = u,
        .ldu = ldu,
        .f = f,
        .params = params,
        .program = program,
        .n_ops = n_ops,
    };
    pool_run(activate_rows, &job, m, grain_of(ACTIVATION_WORK * f));
}

#endif
