/* The functions that kernels_isa.c provides once per instruction set; contracts in kernels.h. */
#ifndef ALPHA_KERNEL_TABLE_H
#define ALPHA_KERNEL_TABLE_H

#include "kernels.h"

typedef struct {
    kernels_pack_fn *pack;
    kernels_pack_inputs_fn *pack_inputs;
    kernels_first_nonfinite_fn *first_nonfinite;
    kernels_matmul_fn *matmul;
    kernels_embed_fn *embed;
    kernels_layer_norm_fn *layer_norm;
    kernels_rms_norm_fn *rms_norm;
    kernels_soft_cap_fn *soft_cap;
    kernels_mix_fn *mix;
    kernels_add_gated_fn *add_gated;
    kernels_rotary_fn *rotary;
    kernels_kv_store_fn *kv_store;
    kernels_attention_fn *attention;
    kernels_activation_fn *activation;
    kernels_mask_logits_fn *mask_logits;
    kernels_log_sum_exp_fn *log_sum_exp;
    kernels_top_k_fn *top_k;
    kernels_sample_fn *sample;
    kernels_measure_read_fn *measure_read;
    kernels_measure_fma_fn *measure_fma;
    kernels_measure_tile_fn *measure_tile;
    kernels_measure_dot_fn *measure_dot;
} kernel_table;

#endif
