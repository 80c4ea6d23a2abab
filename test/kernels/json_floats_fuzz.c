/*
 * Random texts through the number parser, for a sanitizer to watch: json_floats_fuzz CASES SEED.
 * Texts and outputs are allocated to the byte, so that one step too far is an error.
 */
#include "../../src/kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t next(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

int main(int argc, char **argv) {
    static const char alphabet[] = "0123456789012345678900000.eE+-, ]n\n\"";
    long cases = argc > 1 ? atol(argv[1]) : 1000;
    uint64_t state = 88172645463325252u + (uint64_t)(argc > 2 ? atol(argv[2]) : 0);
    long accepted = 0;
    for (long i = 0; i < cases; i++) {
        int64_t length = (int64_t)(next(&state) % (i % 100 == 0 ? 2500 : 40));
        /* Every seventh text is made of digits, signs and points only. */
        uint64_t letters = i % 7 == 0 ? 25 : sizeof alphabet - 1;
        uint8_t *text = malloc(length > 0 ? (size_t)length : 1);
        for (int64_t j = 0; j < length; j++)
            text[j] = (uint8_t)alphabet[next(&state) % letters];
        int64_t out_max = 1 + (int64_t)(next(&state) % 20), consumed = -1;
        float *out = malloc((size_t)out_max * sizeof(float));
        int64_t count =
            kernels_parse_json_floats(text, length, next(&state) % 2 == 0, out, out_max, &consumed);
        if (consumed < 0 || consumed > length || count < -1 || count > out_max)
            return 1;
        accepted += count >= 0;
        free(out);
        free(text);
    }
    printf("%ld of %ld accepted\n", accepted, cases);
    return 0;
}
