#include "check.h"

/* To nearest even; NaN is 0x7fc0. */
static uint16_t bf16_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x)
        return 0x7fc0;
    const uint32_t kept = bits >> 16, lost = bits & 0xffff;
    return (uint16_t)(kept + (lost > 0x8000 || (lost == 0x8000 && kept % 2 == 1)));
}

static void expect_number(int32_t dtype, const uint8_t *numbers, int64_t n, float expected) {
    const uint16_t narrow = bf16_bits(expected);
    const bool is_wide = dtype == KERNELS_DTYPE_F32;
    if (is_wide ? memcmp(numbers + 4 * n, &expected, 4) != 0
                : memcmp(numbers + 2 * n, &narrow, 2) != 0)
        fail("a number is not where it belongs, or not rounded to nearest even", (double)n,
             (double)expected);
}

/* Rows from a position of one sequence on, whose blocks follow each other with one between them. */
static void check_kv_store(int32_t dtype, int32_t position, int32_t m, int32_t n_kv_head,
                           int32_t d_head, int32_t kind) {
    const int64_t d_pad = round_up(d_head, 16), width = n_kv_head * d_head, ldkv = width + 3;
    const int64_t stride = kernels_kv_layer_bytes(dtype, n_kv_head, d_head) + 64;
    const size_t bytes = (size_t)(stride * (2 * ((position + m) / 32) + 1));
    float *k = random_floats(m * ldkv, kind), *v = random_floats(m * ldkv, kind);
    uint8_t *kv = guarded(bytes), *before = guarded(bytes);
    int32_t *slots = calloc((size_t)m, sizeof *slots);
    for (int32_t row = 0; row < m; row++) {
        slots[row] = (position + row) / 32 * 64 + (position + row) % 32;
        const float special[] = {NAN, INFINITY, -INFINITY, 1.00390625f};
        k[row * ldkv + row % width] = v[row * ldkv + (row + 1) % width] = special[row % 4];
    }
    memset(kv, 0xee, bytes);
    memset(before, 0xee, bytes);
    kernels_kv_store(dtype, kv, stride, k, v, ldkv, slots, m, n_kv_head, d_head);
    check_guards(kv, bytes);
    const int64_t number_bytes = dtype == KERNELS_DTYPE_F32 ? 4 : 2;
    for (int32_t row = 0; row < m; row++) {
        uint8_t *block = kv + slots[row] / 32 * stride;
        const int32_t token = slots[row] % 32;
        for (int32_t head = 0; head < n_kv_head; head++) {
            const int64_t value = width * 32 + (head * 32 + token) * d_pad;
            for (int32_t c = 0; c < d_pad; c++) {
                const int64_t key = (head * d_head + c) * 32 + token;
                if (c < d_head) {
                    expect_number(dtype, block, key, k[row * ldkv + head * d_head + c]);
                    memset(block + key * number_bytes, 0xee, (size_t)number_bytes);
                }
                expect_number(dtype, block, value + c,
                              c < d_head ? v[row * ldkv + head * d_head + c] : 0);
                hash_bytes(block + (value + c) * number_bytes, (size_t)number_bytes);
                memset(block + (value + c) * number_bytes, 0xee, (size_t)number_bytes);
            }
        }
    }
    if (memcmp(kv, before, bytes) != 0)
        fail("wrote to a place of another token", position, m);
    free(slots);
    release(k), release(v), release(kv), release(before);
}

void kv_store_cases(void) {
    static const int32_t head_dims[] = {1, 7, 16, 20, 48, 64};
    begin_case("kv_store");
    for (int32_t dtype = 0; dtype < 2; dtype++)
        for (int32_t m = 1; m <= 70; m += m < 20 ? 1 : 7)
            for (int32_t i = 0; i < 6; i++)
                check_kv_store(dtype, (5 * m + 3 * i) % 32, m, 1 + i % 3, head_dims[i],
                               (m + i) % N_KINDS);
    end_case();
}

void kv_store_fuzz(int32_t kind) {
    const int32_t dtype = random_below(2) == 0 ? KERNELS_DTYPE_F32 : KERNELS_DTYPE_BF16;
    check_kv_store(dtype, random_below(64), 1 + random_below(140), 1 + random_below(4),
                   1 + random_below(90), kind);
}
