#include "check.h"

/* Types with the bytes and numbers of a block, and where its half-precision scales are. */
static const struct {
    int32_t type, bytes, numbers, scales[2];
} types[] = {
    {1, 2, 1, {0, 0}},          {2, 18, 32, {0, 0}}, {3, 20, 32, {0, 2}},    {6, 22, 32, {0, 0}},
    {7, 24, 32, {0, 2}},        {8, 34, 32, {0, 0}}, {12, 144, 256, {0, 2}}, {13, 176, 256, {0, 2}},
    {14, 210, 256, {208, 208}}, {30, 2, 1, {0, 0}},
};

/* Random blocks of finite scales, subnormal ones too; exactly as many bytes and numbers as there
 * are. */
static void check_blocks(size_t which, int64_t blocks) {
    const int32_t bytes = types[which].bytes, numbers = types[which].numbers;
    uint8_t *in = guarded((size_t)(blocks * bytes));
    float *out = guarded_floats(blocks * numbers);
    for (int64_t i = 0; i < blocks * bytes; i++)
        in[i] = (uint8_t)random_bits();
    for (int64_t block = 0; block < blocks; block++)
        for (int32_t i = 0; i < 2; i++)
            in[block * bytes + types[which].scales[i] + 1] &= (uint8_t)~0x40;
    if (kernels_read_ggml(types[which].type, out, in, blocks) != 0)
        fail("a known type was refused", types[which].type, 0);
    check_guards(in, (size_t)(blocks * bytes));
    check_guards(out, (size_t)(blocks * numbers) * 4);
    if (kernels_first_nonfinite(out, blocks * numbers) != -1)
        fail("a number is not finite", types[which].type, 0);
    hash_bytes(out, (size_t)(blocks * numbers) * 4);
    release(in), release(out);
}

void ggml_cases(void) {
    begin_case("read_ggml");
    for (size_t which = 0; which < sizeof types / sizeof types[0]; which++)
        for (int64_t blocks = 0; blocks < 20; blocks++)
            check_blocks(which, blocks);
    if (kernels_read_ggml(0, NULL, NULL, 0) != -1 || kernels_read_ggml(31, NULL, NULL, 0) != -1 ||
        kernels_read_ggml(-1, NULL, NULL, 0) != -1)
        fail("an unknown type was read", 0, 0);
    end_case();
}

void ggml_fuzz(int32_t kind) {
    (void)kind;
    check_blocks((size_t)random_below((int32_t)(sizeof types / sizeof types[0])), random_below(50));
}
