/* Numbers that are a function of a key and a counter: a draw needs no state. */
#ifndef ALPHA_PHILOX_H
#define ALPHA_PHILOX_H

#include <stdint.h>

/* Uniform in [0, 1) with 53 bits; Philox4x32-10 (Salmon et al. 2011, random123). */
static double philox_uniform(uint32_t key0, uint32_t key1, uint32_t counter, uint32_t choice) {
    uint32_t c[4] = {counter, choice, 0, 0};
    for (int32_t round = 0; round < 10; round++) {
        uint64_t product0 = (uint64_t)0xD2511F53u * c[0];
        uint64_t product1 = (uint64_t)0xCD9E8D57u * c[2];
        c[0] = (uint32_t)(product1 >> 32) ^ c[1] ^ key0;
        c[2] = (uint32_t)(product0 >> 32) ^ c[3] ^ key1;
        c[1] = (uint32_t)product1;
        c[3] = (uint32_t)product0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return ((double)(c[0] >> 5) * 67108864.0 + (double)(c[1] >> 6)) / 9007199254740992.0;
}

#endif
