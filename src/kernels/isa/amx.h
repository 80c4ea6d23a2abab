/*
 * AVX-512 with the matrix registers of AMX. Beside what isa/scalar.h lists: the integer dot
 * products of vq8_dot for up to 16 rows and 16 columns at once.
 *
 * The system keeps these registers for a thread while they hold something: mq8_begin before,
 * mq8_end after, on the same thread. A slot, 0 or 1, has sums of its own. The registers:
 *
 *   0, 1  sums of the slots              4 bytes for each row and column
 *   2, 4  64 inputs, by turns            64 bytes for each row
 *   3, 5  their weights                  16 lines of a quad for each column
 *   6, 7  the last inputs, fewer than 16 quads, and their weights
 */
#ifndef ALPHA_ISA_AMX_H
#define ALPHA_ISA_AMX_H

#include "avx512.h"

#define HAS_MATRIX_DOT

/* For so many rows, 1 … 16. Inputs are taken by 64; behind them so many quads are left. */
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
    shape.lines[3] = shape.lines[5] = 16;
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

/* Registers have to be constants. */
#define BY_SLOT(slot, zero, one)                                                                   \
    do {                                                                                           \
        if ((slot) == 0)                                                                           \
            zero;                                                                                  \
        else                                                                                       \
            one;                                                                                   \
    } while (0)
#define MQ8_INLINE static inline __attribute__((always_inline))

MQ8_INLINE void mq8_clear(const int slot) { BY_SLOT(slot, _tile_zero(0), _tile_zero(1)); }
/* 64 inputs of the rows and their weights for 16 columns; `turn` is 0 and 1 by turns. */
MQ8_INLINE void mq8_add(const int slot, const int turn, const int8_t *x, const int8_t *w) {
    if (turn == 0) {
        _tile_loadd(2, x, 64);
        _tile_loadd(3, w, 64);
        BY_SLOT(slot, _tile_dpbssd(0, 2, 3), _tile_dpbssd(1, 2, 3));
    } else {
        _tile_loadd(4, x, 64);
        _tile_loadd(5, w, 64);
        BY_SLOT(slot, _tile_dpbssd(0, 4, 5), _tile_dpbssd(1, 4, 5));
    }
}
/* What is left behind them. */
MQ8_INLINE void mq8_add_rest(const int slot, const int8_t *x, const int8_t *w) {
    _tile_loadd(6, x, 64);
    _tile_loadd(7, w, 64);
    BY_SLOT(slot, _tile_dpbssd(0, 6, 7), _tile_dpbssd(1, 6, 7));
}
/* To sums[rows][16]. */
MQ8_INLINE void mq8_store(const int slot, int32_t *sums) {
    BY_SLOT(slot, _tile_stored(0, sums, 64), _tile_stored(1, sums, 64));
}

#endif
