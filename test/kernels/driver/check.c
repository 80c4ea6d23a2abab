#include "check.h"

#include <stdio.h>

#define GUARD_BYTES 64

static const char *case_name;
static uint64_t case_hash;
static double case_worst;

_Noreturn void fail(const char *what, double a, double b) {
    fprintf(stderr, "%s: %s (%.9g, %.9g)\n", case_name, what, a, b);
    exit(1);
}

void begin_case(const char *name) {
    case_name = name;
    case_hash = 0xcbf29ce484222325u;
    case_worst = 0;
}

void end_case(void) {
    printf("%s %016llx %.2f\n", case_name, (unsigned long long)case_hash, case_worst);
}

void hash_bytes(const void *data, size_t bytes) {
    const uint8_t *byte = data;
    for (size_t i = 0; i < bytes; i++)
        case_hash = (case_hash ^ byte[i]) * 0x100000001b3u;
}

void expect_close(double actual, double expected, double tolerance) {
    double error = fabs(actual - expected) / tolerance;
    if (!(error <= 1))
        fail("wrong result (actual, expected)", actual, expected);
    case_worst = fmax(case_worst, error);
}

static uint64_t random_state = 88172645463325252u;

void seed_random(uint64_t seed) { random_state ^= seed * 0x9e3779b97f4a7c15u; }

uint32_t random_bits(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

int32_t random_below(int32_t n) { return (int32_t)(random_bits() % (uint32_t)n); }

static float random_normal(void) {
    float sum = -6;
    for (int32_t i = 0; i < 12; i++)
        sum += (float)(random_bits() >> 8) * 0x1p-24f;
    return sum;
}

float random_value(int32_t kind) {
    switch (kind) {
    case LARGE:
        return random_normal() * (random_below(8) == 0 ? 1e6f : 30.0f);
    case TIED:
        return (float)(random_below(5) - 2) * (random_below(2) == 0 ? 1.0f : -1.0f);
    case TINY:
        return random_below(3) == 0 ? -0.0f : random_normal() * 1e-39f;
    default:
        return random_normal();
    }
}

uint8_t *guarded(size_t bytes) {
    uint8_t *raw = aligned_alloc(64, (bytes + 2 * GUARD_BYTES + 63) / 64 * 64);
    memset(raw, 0xA5, bytes + 2 * GUARD_BYTES);
    return raw + GUARD_BYTES;
}

float *guarded_floats(int64_t count) { return (float *)guarded((size_t)count * 4); }

float *random_floats(int64_t count, int32_t kind) {
    float *x = guarded_floats(count);
    for (int64_t i = 0; i < count; i++)
        x[i] = random_value(kind);
    return x;
}

void check_guards(const void *data, size_t bytes) {
    const uint8_t *at = data;
    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (at[-1 - (int64_t)i] != 0xA5 || at[bytes + i] != 0xA5)
            fail("wrote outside of its output", (double)i, 0);
}

void release(void *data) { free((uint8_t *)data - GUARD_BYTES); }
