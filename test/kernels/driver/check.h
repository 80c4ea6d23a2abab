/* What the files of the driver share: cases, seeded values, buffers with guarded ends. */
#ifndef ALPHA_DRIVER_CHECK_H
#define ALPHA_DRIVER_CHECK_H

#include "kernels.h"
#include "layout.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Spacing of floats at 1. */
#define EPSILON 0x1p-23

/* ---- cases ---- */

/* Begins and prints a case: its name, the hash of all its results, its worst error in tolerances.
 */
void begin_case(const char *name);
void end_case(void);
/* Ends the program with the case's name, a sentence and two numbers. */
_Noreturn void fail(const char *what, double a, double b);
void hash_bytes(const void *data, size_t bytes);
void expect_close(double actual, double expected, double tolerance);

/* ---- seeded values, one stream for all cases ---- */

void seed_random(uint64_t seed);
uint32_t random_bits(void);
int32_t random_below(int32_t n);

/* Normal; with outliers; small whole numbers of both signs; denormals and -0. */
enum { NORMAL, LARGE, TIED, TINY, N_KINDS };
float random_value(int32_t kind);

/* ---- buffers whose ends are checked; to be released ---- */

uint8_t *guarded(size_t bytes);
float *guarded_floats(int64_t count);
float *random_floats(int64_t count, int32_t kind);
void check_guards(const void *data, size_t bytes);
void release(void *data);

/* ---- the ops: all fixed cases, then one case of random size ---- */

void matmul_cases(void);
void matmul_fuzz(int32_t kind);
void bias_cases(void);
void bias_fuzz(int32_t kind);
void pack_inputs_cases(void);
void int8_groups_cases(void);
void pack_inputs_fuzz(int32_t kind);
void embed_cases(void);
void embed_tokens_cases(void);
void embed_nothing_cases(void);
void norm_cases(void);
void other_norm_cases(void);
void norm_fuzz(int32_t kind);
void activation_cases(void);
void other_activation_cases(void);
void activation_fuzz(int32_t kind);
void rotary_cases(void);
void rotary_fuzz(int32_t kind);
void attention_cases(void);
void grouped_attention_cases(void);
void bf16_attention_cases(void);
void attention_fuzz(int32_t kind);
void elementary_cases(void);
void logits_cases(void);
void logits_fuzz(int32_t kind);
void sample_cases(void);
void sample_fuzz(int32_t kind);
void soft_cap_cases(void);
void soft_cap_fuzz(int32_t kind);
void mix_cases(void);
void mix_fuzz(int32_t kind);
void add_gated_cases(void);
void add_gated_fuzz(int32_t kind);
void nonfinite_cases(void);
void measure_cases(void);
void ggml_cases(void);
void int8_blocks_cases(void);
void many_rows_cases(void);
void ggml_fuzz(int32_t kind);
void kv_store_cases(void);
void kv_store_fuzz(int32_t kind);

#endif
