/*
 * Every op, compiled once per instruction set: ISA is its name, ISA_HEADER the macro layer. The ops
 * know nothing of models, files or requests; they may call the pool.
 */
#include "kernel_table.h"
#include "threads.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#define GLUE_(a, b) a##_##b
#define GLUE(a, b) GLUE_(a, b)
#define FN(op) GLUE(op, ISA)

#define INLINE static inline __attribute__((always_inline))

#include ISA_HEADER

#ifndef UNROLL
/* Loops over registers: their indices must become constants. */
#define UNROLL _Pragma("GCC unroll 24")
/* Loops over inputs, whose own instructions would compete with the loads. */
#define UNROLL_STREAM _Pragma("GCC unroll 4")
#endif

#include "ops/elementary.h"
#include "ops/pack.h"
#include "ops/matmul.h"
#include "ops/matmul_int8.h"
#include "ops/norm.h"
#include "ops/embedding.h"
#include "ops/attention.h"
#include "ops/activation.h"
#include "ops/sampling.h"
#include "ops/measure.h"

extern const kernel_table GLUE(kernel_table, ISA);
const kernel_table GLUE(kernel_table, ISA) = {
    .pack = FN(pack),
    .first_nonfinite = FN(first_nonfinite),
    .matmul = FN(matmul),
    .embed = FN(embed),
    .layer_norm = FN(layer_norm),
    .kv_store = FN(kv_store),
    .attention = FN(attention),
    .activation = FN(activation),
    .mask_logits = FN(mask_logits),
    .log_sum_exp = FN(log_sum_exp),
    .top_k = FN(top_k),
    .sample = FN(sample),
    .measure_read = FN(measure_read),
    .measure_fma = FN(measure_fma),
};
