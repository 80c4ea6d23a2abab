/*
 * Conformance driver: every op on seeded inputs of odd sizes and values, measured against a naive
 * version in double precision that stands beside its cases, and hashed. Prints one line per case,
 * `name hash worst-error-in-tolerances`; a result beyond its tolerance, a byte written outside of
 * an output, or a result that depends on how rows were grouped ends the program with a message. Two
 * instruction sets, thread counts or machines agree when they print the same.
 *
 *   driver ISA THREADS [SEED ROUNDS]   with SEED: random sizes, for the sanitizers
 */
#include "check.h"

#include <stdio.h>

/* All cases draw from one stream: a new file of cases goes to the end, or hashes behind it move. */
static void (*const cases[])(void) = {
    matmul_cases,
    embed_cases,
    norm_cases,
    activation_cases,
    attention_cases,
    elementary_cases,
    logits_cases,
    sample_cases,
    nonfinite_cases,
    measure_cases,
    bias_cases,
    embed_tokens_cases,
    other_norm_cases,
    soft_cap_cases,
    grouped_attention_cases,
    other_activation_cases,
    rotary_cases,
    pack_inputs_cases,
    mix_cases,
    add_gated_cases,
    embed_nothing_cases,
    bf16_attention_cases,
    ggml_cases,
    int8_blocks_cases,
    many_rows_cases,
    kv_store_cases,
    int8_groups_cases,
};

static void (*const fuzzers[])(int32_t kind) = {
    matmul_fuzz, norm_fuzz,      activation_fuzz, attention_fuzz, logits_fuzz,
    sample_fuzz, bias_fuzz,      soft_cap_fuzz,   rotary_fuzz,    pack_inputs_fuzz,
    mix_fuzz,    add_gated_fuzz, ggml_fuzz,       kv_store_fuzz,
};
#define N_FUZZERS ((int32_t)(sizeof fuzzers / sizeof fuzzers[0]))

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "driver ISA THREADS [SEED ROUNDS]\n");
        return 2;
    }
    if (kernels_select(argv[1]) != 0 || strcmp(kernels_isa_name(), argv[1]) != 0) {
        fprintf(stderr, "%s is not available here, of %s\n", argv[1], kernels_isa_list());
        return 3;
    }
    if (kernels_threads_set(atoi(argv[2])) != 0)
        return 4;
    if (argc > 4) {
        seed_random(strtoull(argv[3], NULL, 10));
        begin_case("fuzz");
        for (int32_t round = 0; round < atoi(argv[4]); round++)
            fuzzers[random_below(N_FUZZERS)](random_below(N_KINDS));
        end_case();
    } else {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            cases[i]();
    }
    return kernels_threads_set(1);
}
