/*
 * What every op stands on: the vectors of its instruction set, names, loops over registers, and how
 * work is cut for the pool.
 */
#ifndef ALPHA_OPS_COMMON_H
#define ALPHA_OPS_COMMON_H

#include "../kernel_table.h"
#include "../layout.h"
#include "../threads.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The build names the set; a header that is opened by itself is scalar code. */
#ifndef ISA
#define ISA scalar
#define ISA_HEADER "../isa/scalar.h"
#endif
#include ISA_HEADER

#define GLUE_(a, b) a##_##b
#define GLUE(a, b) GLUE_(a, b)
/* An op's name in this set's table: matmul_avx2. */
#define FN(op) GLUE(op, ISA)

#define INLINE static inline __attribute__((always_inline))

#ifndef UNROLL
/* Loops over registers: their indices must become constants. */
#define UNROLL _Pragma("GCC unroll 24")
/* Loops over inputs, whose own instructions would compete with the loads. */
#define UNROLL_STREAM _Pragma("GCC unroll 4")
#endif

#define LINE_BYTES 64

/* ---- words of two bf16 numbers each: one vector of either half ---- */

static inline vf32 low_bf16(vi32 words) { return vf32_from_bits(vi32_shl16(words)); }
static inline vf32 high_bf16(vi32 words) {
    return vf32_from_bits(vi32_and(words, vi32_set1((int32_t)0xffff0000)));
}

/* ---- tiles: rows × vectors of 16 columns whose sums stay in registers ---- */

#define TILE_ROWS 6

/* Vectors per tile: 4, 2 or 1, so that the sums stay in registers; a single row streams. */
#define TILE_VECS(rows, budget)                                                                    \
    ((rows) == 1 || (rows)*4 <= (budget) ? 4 : (rows)*2 <= (budget) ? 2 : 1)

/* Work between loads can keep the processor from seeing far enough ahead by itself, above all where
 * numbers come from the cache of the thread that wrote them. */
#define READ_AHEAD_BYTES 4096

INLINE void read_ahead(const char *from, const int64_t bytes) {
    UNROLL for (int64_t at = 0; at < bytes; at += LINE_BYTES) {
        __builtin_prefetch(from + READ_AHEAD_BYTES + at, 0, 3);
    }
}

/* Fewer rows behind full tiles are too few for a tile of their own. */
#define TILE_ROWS_MIN 4

/* Rows of a product's next tile where so many are left. The last two tiles share theirs: one of one
 * or two rows would wait for its weights. */
static inline int32_t next_tile_rows(int32_t left) {
    if (left <= TILE_ROWS)
        return left;
    return left < TILE_ROWS + TILE_ROWS_MIN ? (left + 1) / 2 : TILE_ROWS;
}

/* Tiles among them that have all of their rows. */
static inline int32_t full_tiles_of(int32_t n_rows) {
    const int32_t rest = n_rows % TILE_ROWS;
    return n_rows / TILE_ROWS - (rest > 0 && rest < TILE_ROWS_MIN);
}

static inline int32_t tiles_of(int32_t n_rows) { return (n_rows + TILE_ROWS - 1) / TILE_ROWS; }

/* Compiles `statement` for every number of rows of a tile; inside of it ROWS is that constant. */
#define BY_ROWS(rows, statement)                                                                   \
    switch (rows) {                                                                                \
        ROWS_CASE(1, statement)                                                                    \
        ROWS_CASE(2, statement)                                                                    \
        ROWS_CASE(3, statement)                                                                    \
        ROWS_CASE(4, statement)                                                                    \
        ROWS_CASE(5, statement)                                                                    \
        ROWS_CASE(6, statement)                                                                    \
    }
#define ROWS_CASE(n, statement)                                                                    \
    case n: {                                                                                      \
        enum { ROWS = n };                                                                         \
        statement;                                                                                 \
        break;                                                                                     \
    }
_Static_assert(TILE_ROWS == 6, "BY_ROWS lists every number of rows");

/* ---- cutting work: results never depend on it ---- */

/* Work is counted in multiply-adds. Handing a grain to a thread costs about as much as these, and
 * waking a thread for a job as much as twice as many. */
#define GRAIN_WORK_MIN 32768
#define JOB_WORK_MIN (2 * GRAIN_WORK_MIN)

/* Units of `unit_work` that together are worth handing to a thread. */
static inline int64_t grain_of(int64_t unit_work) { return 1 + GRAIN_WORK_MIN / (unit_work + 1); }

/* `grain`, or all units at once when the whole job is not worth waking a thread. */
static inline int64_t grain_unless_small(int64_t grain, int64_t n_units, int64_t work) {
    return work < JOB_WORK_MIN ? n_units : grain;
}

#endif
