/*
 * Weights into column panels of 64, and checks of what comes from files.
 *
 * f32   [k][64 columns].
 *
 * bf16  [k][32 words]; word j of half h holds column 32h + j low and column 32h + 16 + j
 * high, so one load gives two vectors by a shift and a mask.
 *
 * int8  per group of 256 inputs: 64 f32 scales and the sums of the 64 columns' bytes in 16 bits,
 * then [4 slices][4][16 quads][16 columns][4 inputs]; the last group has as many slices, the last
 * slice as many quads as it needs. int8_group.h makes the bytes.
 */
#ifndef ALPHA_OPS_PACK_H
#define ALPHA_OPS_PACK_H

#include "int8_group.h"

/* At most 256 · 127 < 2^15. */
static int16_t sum_of_bytes(const int8_t *bytes, int32_t count) {
    int32_t sum = 0;
    for (int32_t i = 0; i < count; i++)
        sum += bytes[i];
    return (int16_t)sum;
}

static void pack_column_int8(uint8_t *panel, int32_t column, const float *src, int32_t k) {
    const int32_t vec = column / 16, at = INT8_QUAD * (column % 16);
    for (int32_t start = 0; start < k; start += INT8_GROUP) {
        const int32_t count = k - start < INT8_GROUP ? k - start : INT8_GROUP;
        int8_numbers group;
        quantise_group(place_in(&group), src + start, count, false);
        const int16_t sum = sum_of_bytes(group.bytes, count);
        memcpy(panel + 4 * column, &group.scale, sizeof group.scale);
        memcpy(panel + INT8_SCALES_BYTES + 2 * column, &sum, sizeof sum);
        panel += INT8_HEAD_BYTES;
        for (int32_t slice = 0; slice < count; slice += INT8_SLICE) {
            const int32_t n_quads = quads_of(count - slice);
            uint8_t *to = panel + vec * n_quads * INT8_QUAD_BYTES + at;
            for (int32_t quad = 0; quad < n_quads; quad++)
                memcpy(to + quad * INT8_QUAD_BYTES, group.bytes + slice + INT8_QUAD * quad,
                       INT8_QUAD);
            panel += n_quads * INT8_QUAD * KERNELS_PANEL;
        }
    }
}

static void pack_column_bf16(uint16_t *panel, int32_t column, const float *src, int32_t k) {
    int32_t half = column / 32, word = column % 16, is_high = column / 16 % 2;
    uint16_t *to = panel + (half * 16 + word) * 2 + is_high;
    for (int32_t j = 0; j < k; j++)
        to[(int64_t)j * KERNELS_PANEL] = bf16_of(src[j]);
}

/* Up to 16 columns in pieces of 16 inputs: a piece's lines stay in L1 until they are whole. */
static void pack_columns_f32(float *to, const float *src, int32_t columns, int32_t k) {
    for (int32_t start = 0; start < k; start += 16) {
        const int32_t end = start + 16 < k ? start + 16 : k;
        for (int32_t c = 0; c < columns; c++) {
            for (int32_t j = start; j < end; j++)
                to[(int64_t)j * KERNELS_PANEL + c] = src[(int64_t)c * k + j];
        }
    }
}

static kernels_pack_fn FN(pack);
static void FN(pack)(int32_t dtype, void *dst, const float *src, int32_t column_start,
                     int32_t n_src, int32_t k) {
    int32_t columns = 1;
    for (int32_t i = 0; i < n_src; i += columns) {
        const float *rows = src + (int64_t)i * k;
        char *panel = (char *)dst + (column_start + i) / KERNELS_PANEL * panel_bytes(dtype, k);
        const int32_t column = (column_start + i) % KERNELS_PANEL;
        if (dtype == KERNELS_DTYPE_F32) {
            columns = 16 - column % 16 < n_src - i ? 16 - column % 16 : n_src - i;
            pack_columns_f32((float *)panel + column, rows, columns, k);
        } else if (dtype == KERNELS_DTYPE_BF16) {
            pack_column_bf16((uint16_t *)panel, column, rows, k);
        } else {
            pack_column_int8((uint8_t *)panel, column, rows, k);
        }
    }
}

/* Inputs and columns that are turned around at a time: whole int8 groups, one line of a panel row.
 */
#define TURN_INPUTS INT8_GROUP
#define TURN_COLUMNS 16

/* Columns `column` … of one panel, inputs 0 … count - 1 of it; `columns` lies by columns. */
static void pack_turned(int32_t dtype, char *panel, int32_t column, const float *columns,
                        int32_t n_columns, int32_t input, int32_t count) {
    const int64_t row = (int64_t)input * KERNELS_PANEL;
    if (dtype == KERNELS_DTYPE_F32) {
        pack_columns_f32((float *)panel + row + column, columns, n_columns, count);
        return;
    }
    for (int32_t c = 0; c < n_columns; c++) {
        const float *from = columns + (int64_t)c * count;
        if (dtype == KERNELS_DTYPE_BF16)
            pack_column_bf16((uint16_t *)panel + row, column + c, from, count);
        else
            pack_column_int8((uint8_t *)panel + panel_bytes(dtype, input), column + c, from, count);
    }
}

static kernels_pack_inputs_fn FN(pack_inputs);
static void FN(pack_inputs)(int32_t dtype, void *dst, const float *src, int64_t lds,
                            int32_t input_start, int32_t n_src, int32_t column_start,
                            int32_t n_columns, int32_t k) {
    float turned[TURN_COLUMNS * TURN_INPUTS];
    for (int32_t start = 0; start < n_src; start += TURN_INPUTS) {
        const int32_t count = n_src - start < TURN_INPUTS ? n_src - start : TURN_INPUTS;
        int32_t columns;
        for (int32_t c = 0; c < n_columns; c += columns) {
            const int32_t column = (column_start + c) % KERNELS_PANEL;
            const int32_t room = TURN_COLUMNS - column % TURN_COLUMNS;
            columns = room < n_columns - c ? room : n_columns - c;
            for (int32_t i = 0; i < count; i++)
                for (int32_t j = 0; j < columns; j++)
                    turned[j * count + i] = src[(start + i) * lds + c + j];
            char *panel = (char *)dst + (column_start + c) / KERNELS_PANEL * panel_bytes(dtype, k);
            pack_turned(dtype, panel, column, turned, columns, input_start + start, count);
        }
    }
}

static kernels_first_nonfinite_fn FN(first_nonfinite);
static int64_t FN(first_nonfinite)(const float *x, int64_t count) {
    const uint32_t exponent = 0x7f800000;
    for (int64_t start = 0; start < count; start += 1024) {
        int64_t end = start + 1024 < count ? start + 1024 : count;
        uint32_t n_bad = 0;
        for (int64_t i = start; i < end; i++)
            n_bad += (float_bits(x[i]) & exponent) == exponent;
        for (int64_t i = start; n_bad != 0 && i < end; i++)
            if ((float_bits(x[i]) & exponent) == exponent)
                return i;
    }
    return -1;
}

#endif
