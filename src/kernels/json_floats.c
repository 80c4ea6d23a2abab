/*
 * Decimal numbers of a JSON array to f32, each correctly rounded to double and then to float, as
 * JSON.parse followed by Math.fround does. Integer arithmetic and one final conversion: no libc, no
 * locale, the same bits on every machine. Touches neither the thread pool nor any global state.
 *
 * A number is w * 10^q with w the first 19 significant digits. w times a 128-bit power of ten,
 * rounded down, gives the upper 128 bits of the product with an error below 2 units in their last
 * place; that decides the rounding except in a sliver around the halfway point, where exact big
 * integers do. Source of the idea: Lemire, Number Parsing at a Gigabyte per Second (2021); the
 * exactness test here is the plain interval argument. fast_float does the same in C++; this version
 * reads windows of a stream and needs only C.
 */
#include "json_float_powers.h"
#include "kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

__extension__ typedef unsigned __int128 uint128;

/* Exponents are clamped here while they are read; far beyond any that matters. */
#define EXPONENT_LIMIT 100000000000000000LL
/* Digits that a 64-bit w can always hold. */
#define W_DIGITS 19
/* Digits that can tell a decimal from the midpoint of two doubles here; more are "sticky". */
#define EXACT_DIGITS 800

/* ---- exact comparison, for the rare number near a midpoint ---- */

#define BIG_LIMBS 128
typedef struct {
    uint32_t limbs[BIG_LIMBS]; /* little-endian */
    int32_t count;
} big;

static void big_multiply_add(big *a, uint32_t factor, uint32_t addend) {
    uint64_t carry = addend;
    for (int32_t i = 0; i < a->count; i++) {
        carry += (uint64_t)a->limbs[i] * factor;
        a->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0)
        a->limbs[a->count++] = (uint32_t)carry;
}

static void big_multiply_power(big *a, uint32_t factor, int64_t times) {
    for (int64_t i = 0; i < times; i++)
        big_multiply_add(a, factor, 0);
}

static void big_shift_left(big *a, int64_t bits) {
    int32_t words = (int32_t)(bits / 32);
    big_multiply_add(a, (uint32_t)1 << (bits % 32), 0);
    if (a->count == 0)
        return;
    memmove(a->limbs + words, a->limbs, (size_t)a->count * sizeof(uint32_t));
    memset(a->limbs, 0, (size_t)words * sizeof(uint32_t));
    a->count += words;
}

static int32_t big_compare(const big *a, const big *b) {
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    for (int32_t i = a->count - 1; i >= 0; i--) {
        if (a->limbs[i] != b->limbs[i])
            return a->limbs[i] < b->limbs[i] ? -1 : 1;
    }
    return 0;
}

/*
 * Sign of (the decimal) - midpoint * 2^exponent2. The decimal is the significant digits in
 * [digits, end), a '.' among them ignored, the last of them worth 10^q. The caller's range check
 * keeps the decimal between 1e-67 and 1e58, so both sides stay below 2^3100 and fit.
 */
static int32_t compare_exactly(const uint8_t *digits, const uint8_t *end, int64_t q,
                               uint64_t midpoint, int32_t exponent2) {
    big decimal = {{0}, 0}, binary = {{0}, 0};
    int32_t used = 0;
    bool is_sticky = false;
    for (const uint8_t *p = digits; p < end; p++) {
        if (*p == '.')
            continue;
        if (used < EXACT_DIGITS) {
            big_multiply_add(&decimal, 10, (uint32_t)(*p - '0'));
            used++;
        } else {
            is_sticky |= *p != '0';
            q++;
        }
    }
    if (is_sticky) {
        big_multiply_add(&decimal, 10, 1);
        q--;
    }
    binary.limbs[0] = (uint32_t)midpoint;
    binary.limbs[1] = (uint32_t)(midpoint >> 32);
    binary.count = 2;
    if (q >= 0) {
        big_multiply_power(&decimal, 10, q);
    } else {
        big_multiply_power(&binary, 10, -q);
    }
    if (exponent2 >= 0) {
        big_shift_left(&binary, exponent2);
    } else {
        big_shift_left(&decimal, -exponent2);
    }
    return big_compare(&decimal, &binary);
}

/* ---- one number ---- */

/* A scanned number: w * 10^q with a sign; exact when no digit was left out of w. */
typedef struct {
    uint64_t w;
    int64_t q;
    bool is_exact, is_negative;
    /* Significant digits in the text and the weight of the last one, for compare_exactly. */
    const uint8_t *digits, *digits_end;
    int64_t last_q;
} decimal;

/* floor(log2 10^q) in the table's range. */
static int32_t log2_power(int64_t q) { return (int32_t)((q * 217706) >> 16); }

static float to_float(const decimal *d) {
    if (d->w == 0 || d->q < POWER_MIN)
        return d->is_negative ? -0.0f : 0.0f;
    double magnitude;
    if (d->q > POWER_MAX) {
        magnitude = __builtin_inf();
    } else {
        power128 power = powers[d->q - POWER_MIN];
        int32_t shift = __builtin_clzll(d->w);
        uint64_t w = d->w << shift;
        uint128 product = (uint128)w * power.high + (((uint128)w * power.low) >> 64);
        int32_t exponent2 =
            log2_power(d->q) + 64 - shift; /* value = product * 2^(exponent2 - 127) */
        if ((product >> 127) == 0) {
            product <<= 1;
            exponent2--;
        }
        uint64_t mantissa = (uint64_t)(product >> 75);
        uint128 rest = product & (((uint128)1 << 75) - 1), half = (uint128)1 << 74;
        /* The true remainder lies in [rest, rest + 4), or further up when digits were left out: one
         * unit of a 19-digit w is below 2^69 units of rest. */
        uint128 error = d->is_exact ? 4 : ((uint128)1 << 70);
        bool is_up;
        if (rest + error < half) {
            is_up = false;
        } else if (rest > half) {
            is_up = true;
        } else {
            int32_t order = compare_exactly(d->digits, d->digits_end, d->last_q, 2 * mantissa + 1,
                                            exponent2 - 53);
            is_up = order > 0 || (order == 0 && (mantissa & 1) != 0);
        }
        mantissa += is_up; /* 2^53 carries into the exponent field below */
        uint64_t bits = ((uint64_t)(exponent2 + 1022) << 52) + mantissa;
        memcpy(&magnitude, &bits, sizeof magnitude);
    }
    return (float)(d->is_negative ? -magnitude : magnitude);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the eight-digit step reads little-endian words"
#endif

static bool is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

/* True when the 8 characters are digits: each byte's high nibble is 3, also after adding 6. */
static bool eight_digits(uint64_t x) {
    return (((x & 0xF0F0F0F0F0F0F0F0) | (((x + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) >> 4)) ==
            0x3333333333333333);
}

/* Value of 8 digits, first character in the lowest byte: pairs, then fours, then all. */
static uint32_t eight_digits_value(uint64_t x) {
    x = (x & 0x0F0F0F0F0F0F0F0F) * 2561 >> 8;
    x = (x & 0x00FF00FF00FF00FF) * 6553601 >> 16;
    return (uint32_t)((x & 0x0000FFFF0000FFFF) * 42949672960001 >> 32);
}

/* Reads a run of digits into *w modulo 2^64; the caller redoes it when w could not hold them. */
static const uint8_t *scan_digits(const uint8_t *p, const uint8_t *end, uint64_t *w) {
    uint64_t value = *w, word;
    while (end - p >= 8) {
        memcpy(&word, p, sizeof word);
        if (!eight_digits(word))
            break;
        value = value * 100000000 + eight_digits_value(word);
        p += 8;
    }
    while (p < end && is_digit(*p))
        value = value * 10 + (uint64_t)(*p++ - '0');
    *w = value;
    return p;
}

/* More digits than w holds: takes the first W_DIGITS significant ones. */
static void shorten(decimal *d) {
    uint64_t w = 0;
    int32_t used = 0;
    int64_t left_out = 0;
    d->is_exact = true;
    for (const uint8_t *p = d->digits; p < d->digits_end; p++) {
        if (*p == '.')
            continue;
        if (used < W_DIGITS) {
            w = w * 10 + (uint64_t)(*p - '0');
            used += w != 0;
        } else {
            if (*p != '0')
                d->is_exact = false;
            left_out++;
        }
    }
    d->w = w;
    d->q += left_out;
}

/* The digits and the point of a number, from *at on. False, and *at at the fault, if there are
 * none.
 */
static bool scan_significand(const uint8_t **at, const uint8_t *end, decimal *d) {
    const uint8_t *p = scan_digits(*at, end, &d->w);
    if (p == *at || (p - *at > 1 && **at == '0'))
        return false;
    if (p < end && *p == '.') {
        const uint8_t *fraction = p + 1;
        p = scan_digits(fraction, end, &d->w);
        if (p == fraction) {
            *at = p;
            return false;
        }
        d->q = fraction - p;
    }
    *at = d->digits_end = p;
    return true;
}

/* The exponent, if there is one, likewise. */
static bool scan_exponent(const uint8_t **at, const uint8_t *end, decimal *d) {
    const uint8_t *p = *at;
    if (p == end || (*p | 0x20) != 'e')
        return true;
    p++;
    const bool is_negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    const uint8_t *digits = p;
    int64_t value = 0;
    for (; p < end && is_digit(*p); p++) {
        if (value < EXPONENT_LIMIT)
            value = value * 10 + (*p - '0');
    }
    d->q += is_negative ? -value : value;
    *at = p;
    return p > digits;
}

/* One JSON number from *at on, which then is behind it. False, and *at at the fault, if there is
 * none. */
static bool scan_number(const uint8_t **at, const uint8_t *end, decimal *d) {
    *d = (decimal){.is_exact = true, .is_negative = *at < end && **at == '-'};
    *at += d->is_negative;
    d->digits = *at;
    if (!scan_significand(at, end, d) || !scan_exponent(at, end, d))
        return false;
    d->last_q = d->q;
    if (d->digits_end - d->digits > W_DIGITS) {
        while (d->digits < d->digits_end && (*d->digits == '0' || *d->digits == '.'))
            d->digits++;
        shorten(d);
    }
    return true;
}

static bool is_space(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static const uint8_t *skip_space(const uint8_t *p, const uint8_t *end) {
    while (p < end && is_space(*p))
        p++;
    return p;
}

static int64_t refuse_at(int64_t offset, int64_t *consumed) {
    *consumed = offset;
    return -1;
}

/* A piece may begin with the comma that follows the number before it: a comma is only consumed
 * together with its number. The caller knows whether one must or must not be there. */
int64_t kernels_parse_json_floats(const uint8_t *text, int64_t length, int32_t is_last, float *out,
                                  int64_t out_max, int64_t *consumed) {
    const uint8_t *end = text + length, *done = text, *p = text;
    int64_t count = 0;
    while (count < out_max) {
        p = skip_space(p, end);
        const bool has_comma = p < end && *p == ',';
        if (has_comma)
            p = skip_space(p + 1, end);
        if (p == end && (!has_comma || !is_last))
            break;
        if (p < end && *p == ']' && !has_comma)
            break;
        if (p == end || (count > 0 && !has_comma))
            return refuse_at(p - text, consumed);
        decimal d;
        const bool is_number = scan_number(&p, end, &d);
        /* What touches the text's end may go on in the next piece, also when it is no number yet.
         */
        if (!is_last && p == end)
            break;
        if (!is_number || (p < end && *p != ',' && *p != ']' && !is_space(*p)))
            return refuse_at(p - text, consumed);
        out[count++] = to_float(&d);
        done = p;
    }
    *consumed = done - text;
    return count;
}
