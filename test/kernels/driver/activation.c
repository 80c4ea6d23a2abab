#include "check.h"

static double silu(double x) { return x / (1 + exp(-x)); }
static double relu(double x) { return x > 0 ? x : 0; }
/* ½ x (1 + tanh y) = x / (1 + exp(-2y)), which keeps its digits where tanh is near -1. */
static double gelu(double x) {
    return x / (1 + exp(-2 * sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
}

static double gelu_erf(double x) { return 0.5 * x * erfc(-x / sqrt(2)); }
static double relu_squared(double x) { return relu(x) * relu(x); }

static bool is_gated(int32_t activation) {
    return activation == KERNELS_ACT_SWIGLU || activation >= KERNELS_ACT_GEGLU;
}

/* With is_absolute every term counts with its absolute value: the magnitude of the result. */
static double composed(double x, const float *factors, const int32_t *program, int32_t n_ops,
                       bool is_absolute) {
    double stack[KERNELS_ACT_STACK_MAX];
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

/* Column i of one row u[f], or u[2f] where gated. */
static double reference_activation(int32_t activation, double *magnitude, const float *u, int32_t i,
                                   int32_t f, const float *params, const int32_t *program,
                                   int32_t n_ops) {
    const double x = u[i];
    double terms[5] = {0};
    const float *p = params + i;
    const int64_t stride = round_up(f, 16);
    if (activation == KERNELS_ACT_COMPOSED) {
        *magnitude = composed(x, params, program, n_ops, true);
        return composed(x, params, program, n_ops, false);
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
    case KERNELS_ACT_GELU_ERF:
        terms[0] = gelu_erf(x);
        break;
    case KERNELS_ACT_RELU_SQUARED:
        terms[0] = relu_squared(x);
        break;
    case KERNELS_ACT_SWIGLU:
        terms[0] = silu(x) * u[f + i];
        break;
    case KERNELS_ACT_GEGLU:
        terms[0] = gelu(x) * u[f + i];
        break;
    case KERNELS_ACT_GEGLU_ERF:
        terms[0] = gelu_erf(x) * u[f + i];
        break;
    case KERNELS_ACT_REGLU:
        terms[0] = relu(x) * u[f + i];
        break;
    case KERNELS_ACT_REGLU_SQUARED:
        terms[0] = relu_squared(x) * u[f + i];
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

static const int32_t composed_program[] = {
    KERNELS_OP_GELU, KERNELS_OP_SQUARE,   KERNELS_OP_SCALE, KERNELS_OP_ADD, KERNELS_OP_SILU,
    KERNELS_OP_RELU, KERNELS_OP_IDENTITY, KERNELS_OP_MUL,   KERNELS_OP_ADD, KERNELS_OP_MUL,
};
#define COMPOSED_OPS 10

static void check_activation(int32_t activation, int32_t m, int32_t f, int32_t kind) {
    const int32_t width = is_gated(activation) ? 2 * f : f;
    const int64_t ldu = round_up(width, 64), stride = round_up(f, 16);
    float *u = random_floats(m * ldu, kind), *params = random_floats(5 * stride + 16, NORMAL);
    float *before = guarded_floats(m * ldu);
    memcpy(before, u, (size_t)(m * ldu) * 4);
    kernels_activation(activation, u, ldu, m, f, params, composed_program, COMPOSED_OPS);
    check_guards(u, (size_t)(m * ldu) * 4);
    for (int32_t row = 0; row < m; row++) {
        for (int32_t i = 0; i < f; i++) {
            const float *from = before + row * ldu;
            double x = from[i], size;
            double expected = reference_activation(activation, &size, from, i, f, params,
                                                   composed_program, COMPOSED_OPS);
            /* Rounding an exponential's argument y costs |y| ulp of the result. */
            double y = fmin(1.6 * fabs(x) * (1 + 0.044715 * x * x), 100);
            /* Where the function fades out, its last digits are cut off. */
            const double gate = is_gated(activation) ? fmax(1, fabs(from[f + i])) : 1;
            const double cut = fmin(fabs(x), 1e10) * 1e-9 * gate;
            expect_close(u[row * ldu + i], expected,
                         4 * EPSILON * (size * (1 + y / 2) + cut) + 1e-37);
        }
        hash_bytes(u + row * ldu, (size_t)f * 4);
    }
    release(u), release(params), release(before);
}

static void cases_of(const char *name, int32_t activation) {
    begin_case(name);
    for (int32_t f = 1; f <= 33; f++)
        for (int32_t kind = 0; kind < N_KINDS; kind++)
            check_activation(activation, f % 4, f, kind);
    check_activation(activation, 64, 1000, NORMAL);
    end_case();
}

void activation_cases(void) {
    static const char *const names[] = {"gelu",      "silu",       "relu",    "swiglu",
                                        "universal", "kan_spline", "composed"};
    for (int32_t activation = 0; activation <= KERNELS_ACT_COMPOSED; activation++)
        cases_of(names[activation], activation);
}

void other_activation_cases(void) {
    cases_of("gelu_erf", KERNELS_ACT_GELU_ERF);
    cases_of("relu_squared", KERNELS_ACT_RELU_SQUARED);
    cases_of("geglu", KERNELS_ACT_GEGLU);
    cases_of("geglu_erf", KERNELS_ACT_GEGLU_ERF);
    cases_of("reglu", KERNELS_ACT_REGLU);
    cases_of("reglu_squared", KERNELS_ACT_REGLU_SQUARED);
}

void activation_fuzz(int32_t kind) {
    const int32_t activation = random_below(KERNELS_ACT_REGLU_SQUARED + 1), m = random_below(9);
    check_activation(activation, m, 1 + random_below(200), kind);
}
