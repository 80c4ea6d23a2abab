/*
 * Which instruction set spans: detected when the library is opened, replaced by kernels_select.
 * Each exported op is one call through the table of that set.
 */
#include "kernel_table.h"
#include "philox.h"
#include "system.h"
#include "threads.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#define HWCAP_DOT_PRODUCT (1ul << 20)
#endif

typedef struct {
    const char *name;
    const kernel_table *table;
    bool (*is_supported)(void);
} isa_entry;

static bool has_baseline(void) { return true; }

#if defined(__x86_64__)
extern const kernel_table kernel_table_avx2, kernel_table_avx512;

/* What cpuid and the operating system say, read when the library is opened. No compiler's own
 * detection: that of clang is not in every system's libraries. */
static struct {
    unsigned leaf1_c, leaf7_b, leaf7_c, leaf7_d, leaf7_1_a;
    /* State that the system saves for each thread: XCR0. */
    unsigned saved;
} processor;

static void read_processor(void) {
    unsigned a, b, c, d;
    if (__get_cpuid(1, &a, &b, &c, &d) == 0)
        return;
    processor.leaf1_c = c;
    const unsigned has_xgetbv = 1u << 27;
    if ((c & has_xgetbv) != 0)
        __asm__ volatile("xgetbv" : "=a"(processor.saved), "=d"(d) : "c"(0));
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0) {
        processor.leaf7_b = b;
        processor.leaf7_c = c;
        processor.leaf7_d = d;
        /* The last subleaf that there is. */
        if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0)
            processor.leaf7_1_a = a;
    }
}

static bool has_bits(unsigned word, unsigned bits) { return (word & bits) == bits; }

static bool has_avx2(void) {
    const unsigned fma_and_avx = 1u << 12 | 1u << 28, avx2 = 1u << 5, saves_ymm = 0x06;
    return has_bits(processor.leaf1_c, fma_and_avx) && has_bits(processor.leaf7_b, avx2) &&
           has_bits(processor.saved, saves_ymm);
}
static bool has_avx512(void) {
    const unsigned f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    const unsigned vnni = 1u << 11, saves_zmm = 0xe6;
    return has_avx2() && has_bits(processor.leaf7_b, f_dq_bw_vl) &&
           has_bits(processor.leaf7_c, vnni) && has_bits(processor.saved, saves_zmm);
}
/* Defined by compile.ts where the compiler knows the instructions. */
#if defined(HAS_AVX_VNNI)
extern const kernel_table kernel_table_avx_vnni;
static bool has_avx_vnni(void) { return has_avx2() && has_bits(processor.leaf7_1_a, 1u << 4); }
#endif
#if defined(HAS_AMX)
extern const kernel_table kernel_table_amx;
static bool has_amx(void) {
    const unsigned tile_int8 = 1u << 24 | 1u << 25, saves_tiles = 0x60000;
    return has_avx512() && has_bits(processor.leaf7_d, tile_int8) &&
           has_bits(processor.saved, saves_tiles) && system_allow_matrices();
}
#endif
#elif defined(__aarch64__)
extern const kernel_table kernel_table_neon, kernel_table_neon_dotprod;
static bool has_dotprod(void) {
#if defined(__linux__)
    return (getauxval(AT_HWCAP) & HWCAP_DOT_PRODUCT) != 0;
#else
    return true;
#endif
}
#endif
extern const kernel_table kernel_table_scalar;

/* Best first. */
static const isa_entry isas[] = {
#if defined(__x86_64__)
#if defined(HAS_AMX)
    {"amx", &kernel_table_amx, has_amx},
#endif
    {"avx512", &kernel_table_avx512, has_avx512},
#if defined(HAS_AVX_VNNI)
    {"avx_vnni", &kernel_table_avx_vnni, has_avx_vnni},
#endif
    {"avx2", &kernel_table_avx2, has_avx2},
#elif defined(__aarch64__)
    {"neon_dotprod", &kernel_table_neon_dotprod, has_dotprod},
    {"neon", &kernel_table_neon, has_baseline},
#endif
    {"scalar", &kernel_table_scalar, has_baseline},
};
#define N_ISAS ((int32_t)(sizeof isas / sizeof isas[0]))

/* Names of `isas`, comma-separated. */
static char isa_list[64];

/* Written whole or not at all: another thread may select while ops run. */
static const isa_entry *_Atomic active;

static const isa_entry *find_isa(const char *name) {
    for (int32_t i = 0; i < N_ISAS; i++)
        if (strcmp(isas[i].name, name) == 0)
            return &isas[i];
    return NULL;
}

static void select_best(void) {
    const isa_entry *best = isas;
    while (!best->is_supported())
        best++;
    active = best;
}

__attribute__((constructor)) static void open_library(void) {
#if defined(__x86_64__)
    read_processor();
#endif
    select_best();
    for (int32_t i = 0; i < N_ISAS; i++) {
        if (i > 0)
            strcat(isa_list, ",");
        strcat(isa_list, isas[i].name);
    }
}

int32_t kernels_select(const char *name) {
    if (name == NULL || name[0] == '\0') {
        select_best();
        return 0;
    }
    const isa_entry *isa = find_isa(name);
    if (isa == NULL)
        return -1;
    if (!isa->is_supported())
        return -2;
    active = isa;
    return 0;
}

const char *kernels_isa_name(void) { return active->name; }

const char *kernels_isa_list(void) { return isa_list; }

int32_t kernels_isa_supported(const char *name) {
    const isa_entry *isa = find_isa(name);
    return isa != NULL && isa->is_supported();
}

int32_t kernels_threads_set(int32_t n_threads) { return pool_resize(n_threads); }
int32_t kernels_threads(void) { return pool_threads_max(); }
int32_t kernels_threads_use(int32_t n_threads) { return pool_use(n_threads); }
int32_t kernels_short_turns(void) { return system_short_turns(); }
int32_t kernels_watch_thread(void) { return system_watch_thread(); }
int32_t kernels_thread_stack(int32_t thread, uint64_t *addresses, int32_t max) {
    return system_thread_stack(thread, addresses, max);
}

/* ---- the exported ops: one call through the table ---- */

void kernels_pack(int32_t dtype, void *dst, const float *src, int32_t column_start, int32_t n_src,
                  int32_t k) {
    active->table->pack(dtype, dst, src, column_start, n_src, k);
}
void kernels_pack_inputs(int32_t dtype, void *dst, const float *src, int64_t lds,
                         int32_t input_start, int32_t n_src, int32_t column_start,
                         int32_t n_columns, int32_t k) {
    active->table->pack_inputs(dtype, dst, src, lds, input_start, n_src, column_start, n_columns,
                               k);
}
int64_t kernels_first_nonfinite(const float *x, int64_t count) {
    return active->table->first_nonfinite(x, count);
}
void kernels_matmul(int32_t dtype, float *out, int64_t ldo, const float *x, int64_t ldx,
                    const void *w, const float *bias, int32_t m, int32_t k, int32_t n,
                    int32_t accumulate, void *scratch) {
    active->table->matmul(dtype, out, ldo, x, ldx, w, bias, m, k, n, accumulate, scratch);
}
void kernels_embed(float *x, int64_t ldx, const float *wte, const float *wpe, const int32_t *ids,
                   const int32_t *positions, int32_t m, int32_t d) {
    active->table->embed(x, ldx, wte, wpe, ids, positions, m, d);
}
void kernels_layer_norm(float *out, int64_t ldo, const float *x, int64_t ldx, const int32_t *rows,
                        const float *weight, const float *bias, int32_t m, int32_t d,
                        float epsilon) {
    active->table->layer_norm(out, ldo, x, ldx, rows, weight, bias, m, d, epsilon);
}
void kernels_rms_norm(float *out, int64_t ldo, const float *x, int64_t ldx, const int32_t *rows,
                      const float *weight, int32_t m, int32_t n_groups, int32_t d, float epsilon) {
    active->table->rms_norm(out, ldo, x, ldx, rows, weight, m, n_groups, d, epsilon);
}
void kernels_soft_cap(float *x, int64_t ldx, int32_t m, int32_t d, float cap) {
    active->table->soft_cap(x, ldx, m, d, cap);
}
void kernels_mix(float *out, int64_t ldo, const float *x, int64_t ldx, const float *y, int64_t ldy,
                 const float *x_factor, const float *y_factor, float y_sign, int32_t m, int32_t d) {
    active->table->mix(out, ldo, x, ldx, y, ldy, x_factor, y_factor, y_sign, m, d);
}
void kernels_add_gated(float *x, int64_t ldx, const float *y, int64_t ldy, const float *inputs,
                       int64_t ldi, const float *gates, const float *factor, float scale, int32_t m,
                       int32_t n_inputs, int32_t n_groups, int32_t d) {
    active->table->add_gated(x, ldx, y, ldy, inputs, ldi, gates, factor, scale, m, n_inputs,
                             n_groups, d);
}
void kernels_rotary(float *x, int64_t ldx, const int32_t *positions, const float *table, int32_t m,
                    int32_t n_head, int32_t d_head, int32_t n_rotary, int32_t is_interleaved) {
    active->table->rotary(x, ldx, positions, table, m, n_head, d_head, n_rotary, is_interleaved);
}
void kernels_kv_store(int32_t kv_dtype, void *kv, int64_t block_stride, const float *k,
                      const float *v, int64_t ldkv, const int32_t *slots, int32_t m,
                      int32_t n_kv_head, int32_t d_head) {
    active->table->kv_store(kv_dtype, kv, block_stride, k, v, ldkv, slots, m, n_kv_head, d_head);
}
void kernels_attention(float *out, int64_t ldo, const float *q, int64_t ldq, int32_t kv_dtype,
                       const void *kv, int64_t block_stride, const kernels_span *spans,
                       int32_t n_spans, const int32_t *tables, int32_t n_head, int32_t n_kv_head,
                       int32_t d_head, int32_t window, float scale, float soft_cap, void *scratch) {
    active->table->attention(out, ldo, q, ldq, kv_dtype, kv, block_stride, spans, n_spans, tables,
                             n_head, n_kv_head, d_head, window, scale, soft_cap, scratch);
}
void kernels_activation(int32_t activation, float *u, int64_t ldu, int32_t m, int32_t f,
                        const float *params, const int32_t *program, int32_t n_ops) {
    active->table->activation(activation, u, ldu, m, f, params, program, n_ops);
}
void kernels_mask_logits(float *logits, const uint32_t *mask, int32_t vocab) {
    active->table->mask_logits(logits, mask, vocab);
}
double kernels_log_sum_exp(const float *logits, int32_t vocab) {
    return active->table->log_sum_exp(logits, vocab);
}
void kernels_top_k(const float *logits, int32_t vocab, int32_t k, int32_t *ids, float *values) {
    active->table->top_k(logits, vocab, k, ids, values);
}
void kernels_sample(int32_t *out_ids, const float *logits, int64_t ldl, int32_t vocab, int32_t n,
                    const int32_t *rows, const float *temperatures, const int32_t *top_ks,
                    const float *top_ps, const float *min_ps, const uint32_t *seeds,
                    const int32_t *choices, const int32_t *counters, void *scratch) {
    active->table->sample(out_ids, logits, ldl, vocab, n, rows, temperatures, top_ks, top_ps,
                          min_ps, seeds, choices, counters, scratch);
}
double kernels_uniform(int64_t seed, int32_t choice, int32_t counter) {
    const uint64_t key = (uint64_t)seed;
    return philox_uniform((uint32_t)key, (uint32_t)(key >> 32), (uint32_t)counter,
                          (uint32_t)choice);
}
float kernels_measure_read(const void *buffer, int64_t bytes) {
    return active->table->measure_read(buffer, bytes);
}
double kernels_measure_fma(int64_t iterations) { return active->table->measure_fma(iterations); }
double kernels_measure_tile(int64_t iterations) { return active->table->measure_tile(iterations); }
double kernels_measure_dot(int64_t iterations, int32_t has_scales) {
    return active->table->measure_dot(iterations, has_scales);
}
