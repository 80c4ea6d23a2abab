/*
 * AVX-512 with the matrix registers of AMX. Beside what isa/scalar.h lists: the integer dot
 * products of vq8_dot for up to 16 rows and 16 columns at once.
 *
 * The system keeps these registers for a thread while they hold something: mq8_begin before,
 * mq8_end after, on the same thread. The registers:
 *
 *   0 … 3  sums                           4 bytes for each row and column
 *   4, 6   64 inputs of one or two blocks 64 bytes for each row
 *   5      weights of 64 inputs           16 lines of a quad for each column
 *   6, 7   where inputs do not come in whole 64, the last ones and their weights: then there is no
 *          second block
 */
#ifndef ALPHA_ISA_AMX_H
#define ALPHA_ISA_AMX_H

#include "avx512.h"

#define HAS_MATRIX_DOT

/* For so many rows of a block, 1 … 16. Inputs are taken by 64; behind them so many quads are left.
 */
static inline void mq8_begin(int32_t rows, int32_t rest_quads) {
    /* As the instruction wants it: bytes per line, then lines, of each register. */
    struct {
        uint8_t palette, start_line, unused[14];
        uint16_t line_bytes[16];
        uint8_t lines[16];
    } shape = {.palette = 1};
    for (int32_t i = 0; i < 8; i++) {
        shape.line_bytes[i] = 64;
        shape.lines[i] = (uint8_t)rows;
    }
    shape.lines[5] = 16;
    if (rest_quads > 0) {
        shape.line_bytes[6] = (uint16_t)(4 * rest_quads);
        shape.lines[7] = (uint8_t)rest_quads;
    }
    /* gcc before 12.4 and 13.3 takes the instruction for one that reads 8 bytes, and leaves the
     * rest of them out. */
    __asm__ volatile("" ::"m"(shape));
    _tile_loadconfig(&shape);
}
static inline void mq8_end(void) { _tile_release(); }

/* Registers have to be constants, so `slot`, which of the sums, is one. */
#define MQ8_INLINE static inline __attribute__((always_inline))
#define BY_SLOT(slot, of_register)                                                                 \
    do {                                                                                           \
        if ((slot) == 0)                                                                           \
            of_register(0);                                                                        \
        else if ((slot) == 1)                                                                      \
            of_register(1);                                                                        \
        else if ((slot) == 2)                                                                      \
            of_register(2);                                                                        \
        else                                                                                       \
            of_register(3);                                                                        \
    } while (0)

MQ8_INLINE void mq8_clear(const int slot) { BY_SLOT(slot, _tile_zero); }

/* 64 inputs of the rows of `block`, which is 0, or 1 where no quads are left. */
MQ8_INLINE void mq8_load_inputs(const int block, const int8_t *x) {
    if (block == 0)
        _tile_loadd(4, x, 64);
    else
        _tile_loadd(6, x, 64);
}
/* Their weights for 16 columns. */
MQ8_INLINE void mq8_load_weights(const int8_t *w) { _tile_loadd(5, w, 64); }

/* Adds products of what was loaded last. */
#define ADD_FIRST(tile) _tile_dpbssd(tile, 4, 5)
#define ADD_SECOND(tile) _tile_dpbssd(tile, 6, 5)
MQ8_INLINE void mq8_add(const int slot, const int block) {
    if (block == 0)
        BY_SLOT(slot, ADD_FIRST);
    else
        BY_SLOT(slot, ADD_SECOND);
}

/* Adds those of the inputs that are left. */
#define ADD_REST(tile) _tile_dpbssd(tile, 6, 7)
MQ8_INLINE void mq8_add_rest(const int slot, const int8_t *x, const int8_t *w) {
    _tile_loadd(6, x, 64);
    _tile_loadd(7, w, 64);
    BY_SLOT(slot, ADD_REST);
}

/* To sums[rows][16]. */
#define STORE(tile) _tile_stored(tile, sums, 64)
MQ8_INLINE void mq8_store(const int slot, int32_t *sums) { BY_SLOT(slot, STORE); }

#undef ADD_FIRST
#undef ADD_SECOND
#undef ADD_REST
#undef STORE
#undef BY_SLOT

#endif
