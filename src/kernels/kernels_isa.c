/*
 * Every op, compiled once per instruction set: ISA is its name, ISA_HEADER the macro layer. The ops
 * know nothing of models, files or requests; they may call the pool.
 */
#include "ops/common.h"

#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/embedding.h"
#include "ops/kv_store.h"
#include "ops/logits.h"
#include "ops/matmul.h"
#include "ops/measure.h"
#include "ops/measure_dot.h"
#include "ops/mix.h"
#include "ops/norm.h"
#include "ops/pack.h"
#include "ops/rotary.h"
#include "ops/sampling.h"
#include "ops/soft_cap.h"
#include "ops/top_k.h"

extern const kernel_table GLUE(kernel_table, ISA);
const kernel_table GLUE(kernel_table, ISA) = {
    .pack = FN(pack),
    .pack_inputs = FN(pack_inputs),
    .first_nonfinite = FN(first_nonfinite),
    .matmul = FN(matmul),
    .embed = FN(embed),
    .layer_norm = FN(layer_norm),
    .rms_norm = FN(rms_norm),
    .soft_cap = FN(soft_cap),
    .mix = FN(mix),
    .add_gated = FN(add_gated),
    .rotary = FN(rotary),
    .kv_store = FN(kv_store),
    .attention = FN(attention),
    .activation = FN(activation),
    .mask_logits = FN(mask_logits),
    .log_sum_exp = FN(log_sum_exp),
    .top_k = FN(top_k),
    .sample = FN(sample),
    .measure_read = FN(measure_read),
    .measure_fma = FN(measure_fma),
    .measure_tile = FN(measure_tile),
    .measure_dot = FN(measure_dot),
};
