/*
 * Decimal numbers of a JSON array to f32, each correctly rounded to double and then to float, as
 * JSON.parse followed by Math.fround does. Integer arithmetic and one final conversion: no libc, no
 * locale, the same bits on every machine. Touches neither the thread pool nor any global state.
 *
 * A number is w * 10^q with w the first 19 significant digits. w times a 128-bit power of ten,
 * rounded down, gives the upper 128 bits of the product with an error below 2 units in their last
 * place; that decides the rounding except in a sliver around the halfway point, where exact big
 * integers do. Source of the idea: Lemire, Number Parsing at a Gigabyte per Second (2021); the
 * exactness test here is the plain interval argument.
 */
#include "kernels.h"

#include <string.h>

__extension__ typedef unsigned __int128 uint128;

/* Outside this range of q every w < 2^64 is an f32 zero or an f32 infinity. */
#define POWER_MIN (-65)
#define POWER_MAX 38
/* Exponents are clamped here while they are read; far beyond any that matters. */
#define EXPONENT_LIMIT 100000000000000000LL
/* Digits that can tell a decimal from the midpoint of two doubles here; more are "sticky". */
#define EXACT_DIGITS 800

typedef struct {
    uint64_t high, low;
} power128;

/* floor(10^q / 2^(e - 127)) with e = floor(log2 10^q). */
static const power128 powers[POWER_MAX - POWER_MIN + 1] = {
    {0x86ccbb52ea94baea, 0x98e947129fc2b4e9}, /* 1e-65 */
    {0xa87fea27a539e9a5, 0x3f2398d747b36224}, /* 1e-64 */
    {0xd29fe4b18e88640e, 0x8eec7f0d19a03aad}, /* 1e-63 */
    {0x83a3eeeef9153e89, 0x1953cf68300424ac}, /* 1e-62 */
    {0xa48ceaaab75a8e2b, 0x5fa8c3423c052dd7}, /* 1e-61 */
    {0xcdb02555653131b6, 0x3792f412cb06794d}, /* 1e-60 */
    {0x808e17555f3ebf11, 0xe2bbd88bbee40bd0}, /* 1e-59 */
    {0xa0b19d2ab70e6ed6, 0x5b6aceaeae9d0ec4}, /* 1e-58 */
    {0xc8de047564d20a8b, 0xf245825a5a445275}, /* 1e-57 */
    {0xfb158592be068d2e, 0xeed6e2f0f0d56712}, /* 1e-56 */
    {0x9ced737bb6c4183d, 0x55464dd69685606b}, /* 1e-55 */
    {0xc428d05aa4751e4c, 0xaa97e14c3c26b886}, /* 1e-54 */
    {0xf53304714d9265df, 0xd53dd99f4b3066a8}, /* 1e-53 */
    {0x993fe2c6d07b7fab, 0xe546a8038efe4029}, /* 1e-52 */
    {0xbf8fdb78849a5f96, 0xde98520472bdd033}, /* 1e-51 */
    {0xef73d256a5c0f77c, 0x963e66858f6d4440}, /* 1e-50 */
    {0x95a8637627989aad, 0xdde7001379a44aa8}, /* 1e-49 */
    {0xbb127c53b17ec159, 0x5560c018580d5d52}, /* 1e-48 */
    {0xe9d71b689dde71af, 0xaab8f01e6e10b4a6}, /* 1e-47 */
    {0x9226712162ab070d, 0xcab3961304ca70e8}, /* 1e-46 */
    {0xb6b00d69bb55c8d1, 0x3d607b97c5fd0d22}, /* 1e-45 */
    {0xe45c10c42a2b3b05, 0x8cb89a7db77c506a}, /* 1e-44 */
    {0x8eb98a7a9a5b04e3, 0x77f3608e92adb242}, /* 1e-43 */
    {0xb267ed1940f1c61c, 0x55f038b237591ed3}, /* 1e-42 */
    {0xdf01e85f912e37a3, 0x6b6c46dec52f6688}, /* 1e-41 */
    {0x8b61313bbabce2c6, 0x2323ac4b3b3da015}, /* 1e-40 */
    {0xae397d8aa96c1b77, 0xabec975e0a0d081a}, /* 1e-39 */
    {0xd9c7dced53c72255, 0x96e7bd358c904a21}, /* 1e-38 */
    {0x881cea14545c7575, 0x7e50d64177da2e54}, /* 1e-37 */
    {0xaa242499697392d2, 0xdde50bd1d5d0b9e9}, /* 1e-36 */
    {0xd4ad2dbfc3d07787, 0x955e4ec64b44e864}, /* 1e-35 */
    {0x84ec3c97da624ab4, 0xbd5af13bef0b113e}, /* 1e-34 */
    {0xa6274bbdd0fadd61, 0xecb1ad8aeacdd58e}, /* 1e-33 */
    {0xcfb11ead453994ba, 0x67de18eda5814af2}, /* 1e-32 */
    {0x81ceb32c4b43fcf4, 0x80eacf948770ced7}, /* 1e-31 */
    {0xa2425ff75e14fc31, 0xa1258379a94d028d}, /* 1e-30 */
    {0xcad2f7f5359a3b3e, 0x096ee45813a04330}, /* 1e-29 */
    {0xfd87b5f28300ca0d, 0x8bca9d6e188853fc}, /* 1e-28 */
    {0x9e74d1b791e07e48, 0x775ea264cf55347d}, /* 1e-27 */
    {0xc612062576589dda, 0x95364afe032a819d}, /* 1e-26 */
    {0xf79687aed3eec551, 0x3a83ddbd83f52204}, /* 1e-25 */
    {0x9abe14cd44753b52, 0xc4926a9672793542}, /* 1e-24 */
    {0xc16d9a0095928a27, 0x75b7053c0f178293}, /* 1e-23 */
    {0xf1c90080baf72cb1, 0x5324c68b12dd6338}, /* 1e-22 */
    {0x971da05074da7bee, 0xd3f6fc16ebca5e03}, /* 1e-21 */
    {0xbce5086492111aea, 0x88f4bb1ca6bcf584}, /* 1e-20 */
    {0xec1e4a7db69561a5, 0x2b31e9e3d06c32e5}, /* 1e-19 */
    {0x9392ee8e921d5d07, 0x3aff322e62439fcf}, /* 1e-18 */
    {0xb877aa3236a4b449, 0x09befeb9fad487c2}, /* 1e-17 */
    {0xe69594bec44de15b, 0x4c2ebe687989a9b3}, /* 1e-16 */
    {0x901d7cf73ab0acd9, 0x0f9d37014bf60a10}, /* 1e-15 */
    {0xb424dc35095cd80f, 0x538484c19ef38c94}, /* 1e-14 */
    {0xe12e13424bb40e13, 0x2865a5f206b06fb9}, /* 1e-13 */
    {0x8cbccc096f5088cb, 0xf93f87b7442e45d3}, /* 1e-12 */
    {0xafebff0bcb24aafe, 0xf78f69a51539d748}, /* 1e-11 */
    {0xdbe6fecebdedd5be, 0xb573440e5a884d1b}, /* 1e-10 */
    {0x89705f4136b4a597, 0x31680a88f8953030}, /* 1e-9 */
    {0xabcc77118461cefc, 0xfdc20d2b36ba7c3d}, /* 1e-8 */
    {0xd6bf94d5e57a42bc, 0x3d32907604691b4c}, /* 1e-7 */
    {0x8637bd05af6c69b5, 0xa63f9a49c2c1b10f}, /* 1e-6 */
    {0xa7c5ac471b478423, 0x0fcf80dc33721d53}, /* 1e-5 */
    {0xd1b71758e219652b, 0xd3c36113404ea4a8}, /* 1e-4 */
    {0x83126e978d4fdf3b, 0x645a1cac083126e9}, /* 1e-3 */
    {0xa3d70a3d70a3d70a, 0x3d70a3d70a3d70a3}, /* 1e-2 */
    {0xcccccccccccccccc, 0xcccccccccccccccc}, /* 1e-1 */
    {0x8000000000000000, 0x0000000000000000}, /* 1e0 */
    {0xa000000000000000, 0x0000000000000000}, /* 1e1 */
    {0xc800000000000000, 0x0000000000000000}, /* 1e2 */
    {0xfa00000000000000, 0x0000000000000000}, /* 1e3 */
    {0x9c40000000000000, 0x0000000000000000}, /* 1e4 */
    {0xc350000000000000, 0x0000000000000000}, /* 1e5 */
    {0xf424000000000000, 0x0000000000000000}, /* 1e6 */
    {0x9896800000000000, 0x0000000000000000}, /* 1e7 */
    {0xbebc200000000000, 0x0000000000000000}, /* 1e8 */
    {0xee6b280000000000, 0x0000000000000000}, /* 1e9 */
    {0x9502f90000000000, 0x0000000000000000}, /* 1e10 */
    {0xba43b74000000000, 0x0000000000000000}, /* 1e11 */
    {0xe8d4a51000000000, 0x0000000000000000}, /* 1e12 */
    {0x9184e72a00000000, 0x0000000000000000}, /* 1e13 */
    {0xb5e620f480000000, 0x0000000000000000}, /* 1e14 */
    {0xe35fa931a0000000, 0x0000000000000000}, /* 1e15 */
    {0x8e1bc9bf04000000, 0x0000000000000000}, /* 1e16 */
    {0xb1a2bc2ec5000000, 0x0000000000000000}, /* 1e17 */
    {0xde0b6b3a76400000, 0x0000000000000000}, /* 1e18 */
    {0x8ac7230489e80000, 0x0000000000000000}, /* 1e19 */
    {0xad78ebc5ac620000, 0x0000000000000000}, /* 1e20 */
    {0xd8d726b7177a8000, 0x0000000000000000}, /* 1e21 */
    {0x878678326eac9000, 0x0000000000000000}, /* 1e22 */
    {0xa968163f0a57b400, 0x0000000000000000}, /* 1e23 */
    {0xd3c21bcecceda100, 0x0000000000000000}, /* 1e24 */
    {0x84595161401484a0, 0x0000000000000000}, /* 1e25 */
    {0xa56fa5b99019a5c8, 0x0000000000000000}, /* 1e26 */
    {0xcecb8f27f4200f3a, 0x0000000000000000}, /* 1e27 */
    {0x813f3978f8940984, 0x4000000000000000}, /* 1e28 */
    {0xa18f07d736b90be5, 0x5000000000000000}, /* 1e29 */
    {0xc9f2c9cd04674ede, 0xa400000000000000}, /* 1e30 */
    {0xfc6f7c4045812296, 0x4d00000000000000}, /* 1e31 */
    {0x9dc5ada82b70b59d, 0xf020000000000000}, /* 1e32 */
    {0xc5371912364ce305, 0x6c28000000000000}, /* 1e33 */
    {0xf684df56c3e01bc6, 0xc732000000000000}, /* 1e34 */
    {0x9a130b963a6c115c, 0x3c7f400000000000}, /* 1e35 */
    {0xc097ce7bc90715b3, 0x4b9f100000000000}, /* 1e36 */
    {0xf0bdc21abb48db20, 0x1e86d40000000000}, /* 1e37 */
    {0x96769950b50d88f4, 0x1314448000000000}, /* 1e38 */
};

/* ---- exact comparison, for the rare number near a midpoint -------------------------------------
 */

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

static int big_compare(const big *a, const big *b) {
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
static int compare_exactly(const uint8_t *digits, const uint8_t *end, int64_t q, uint64_t midpoint,
                           int32_t exponent2) {
    big decimal = {{0}, 0}, binary = {{0}, 0};
    int32_t used = 0;
    int sticky = 0;
    for (const uint8_t *p = digits; p < end; p++) {
        if (*p == '.')
            continue;
        if (used < EXACT_DIGITS) {
            big_multiply_add(&decimal, 10, (uint32_t)(*p - '0'));
            used++;
        } else {
            sticky |= *p != '0';
            q++;
        }
    }
    if (sticky) {
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

/* ---- one number --------------------------------------------------------------------------------
 */

/* A scanned number: (-1)^negative * w * 10^q, `exact` when no digit was left out of w. */
typedef struct {
    uint64_t w;
    int64_t q;
    int exact, negative;
    /* Significant digits in the text and the weight of the last one, for compare_exactly. */
    const uint8_t *digits, *digits_end;
    int64_t last_q;
} decimal;

/* floor(log2 10^q) in the table's range. */
static int32_t log2_power(int64_t q) { return (int32_t)((q * 217706) >> 16); }

static float to_float(const decimal *d) {
    if (d->w == 0 || d->q < POWER_MIN)
        return d->negative ? -0.0f : 0.0f;
    double magnitude;
    if (d->q > POWER_MAX) {
        magnitude = __builtin_inf();
    } else {
        power128 power = powers[d->q - POWER_MIN];
        int shift = __builtin_clzll(d->w);
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
        uint128 error = d->exact ? 4 : ((uint128)1 << 70);
        int up;
        if (rest + error < half) {
            up = 0;
        } else if (rest > half) {
            up = 1;
        } else {
            int order = compare_exactly(d->digits, d->digits_end, d->last_q, 2 * mantissa + 1,
                                        exponent2 - 53);
            up = order > 0 || (order == 0 && (mantissa & 1) != 0);
        }
        mantissa += (uint64_t)up; /* 2^53 carries into the exponent field below */
        uint64_t bits = ((uint64_t)(exponent2 + 1022) << 52) + mantissa;
        memcpy(&magnitude, &bits, sizeof magnitude);
    }
    return (float)(d->negative ? -magnitude : magnitude);
}

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the eight-digit step reads little-endian words"
#endif

static int is_digit(uint8_t c) { return (uint8_t)(c - '0') < 10; }

/* True when the 8 characters are digits: each byte's high nibble is 3, also after adding 6. */
static int eight_digits(uint64_t x) {
    return (((x & 0xF0F0F0F0F0F0F0F0) | (((x + 0x0606060606060606) & 0xF0F0F0F0F0F0F0F0) >> 4)) ==
            0x3333333333333333);
}

/* Value of 8 digits, first character in the lowest byte: pairs, then fours, then all. */
static uint32_t eight_digits_value(uint64_t x) {
    x = (x & 0x0F0F0F0F0F0F0F0F) * 2561 >> 8;
    x = (x & 0x00FF00FF00FF00FF) * 6553601 >> 16;
    return (uint32_t)((x & 0x0000FFFF0000FFFF) * 42949672960001 >> 32);
}

/* Reads a run of digits into *w modulo 2^64 (the caller redoes it when there are more than 19). */
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

/* More than 19 digits: takes the first 19 significant ones into w. */
static void shorten(decimal *d) {
    uint64_t w = 0;
    int32_t used = 0;
    int64_t left_out = 0;
    d->exact = 1;
    for (const uint8_t *p = d->digits; p < d->digits_end; p++) {
        if (*p == '.')
            continue;
        if (used < 19) {
            w = w * 10 + (uint64_t)(*p - '0');
            used += w != 0;
        } else {
            if (*p != '0')
                d->exact = 0;
            left_out++;
        }
    }
    d->w = w;
    d->q += left_out;
}

/* Scans one JSON number; NULL and *fault when there is none. */
static const uint8_t *scan_number(const uint8_t *p, const uint8_t *end, decimal *d,
                                  const uint8_t **fault) {
    d->negative = p < end && *p == '-';
    p += d->negative;
    d->w = 0;
    d->q = 0;
    d->exact = 1;
    d->digits = p;
    const uint8_t *whole_end = scan_digits(p, end, &d->w);
    if (whole_end == p || (whole_end - p > 1 && *p == '0'))
        goto refuse;
    p = whole_end;
    if (p < end && *p == '.') {
        const uint8_t *fraction = ++p;
        p = scan_digits(p, end, &d->w);
        if (p == fraction)
            goto refuse;
        d->q = fraction - p;
    }
    d->digits_end = p;
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        int negative = p < end && *p == '-';
        p += p < end && (*p == '-' || *p == '+');
        const uint8_t *exponent = p;
        int64_t value = 0;
        for (; p < end && is_digit(*p); p++) {
            if (value < EXPONENT_LIMIT)
                value = value * 10 + (*p - '0');
        }
        if (p == exponent)
            goto refuse;
        d->q += negative ? -value : value;
    }
    d->last_q = d->q;
    if (d->digits_end - d->digits > 19) {
        while (d->digits < d->digits_end && (*d->digits == '0' || *d->digits == '.'))
            d->digits++;
        shorten(d);
    }
    return p;
refuse:
    *fault = p;
    return NULL;
}

static int is_space(uint8_t c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static const uint8_t *skip_space(const uint8_t *p, const uint8_t *end) {
    while (p < end && is_space(*p))
        p++;
    return p;
}

/* A piece may begin with the comma that follows the number before it: a comma is only consumed
 * together with its number. The caller knows whether one must or must not be there. */
int64_t kernels_parse_json_floats(const uint8_t *text, int64_t length, int32_t is_last, float *out,
                                  int64_t out_max, int64_t *consumed) {
    const uint8_t *end = text + length, *done = text, *p = text, *fault = NULL;
    int64_t count = 0;
    while (count < out_max) {
        p = skip_space(p, end);
        int comma = p < end && *p == ',';
        if (comma)
            p = skip_space(p + 1, end);
        if (p == end) {
            if (comma && is_last)
                goto refuse;
            break;
        }
        if (*p == ']' && !comma)
            break;
        if (count > 0 && !comma)
            goto refuse;
        decimal d;
        const uint8_t *next = scan_number(p, end, &d, &fault);
        /* What touches the text's end may go on in the next piece, also when it is no number yet.
         */
        if (!is_last && (next == end || (next == NULL && fault == end)))
            break;
        if (next == NULL) {
            p = fault;
            goto refuse;
        }
        if (next < end && *next != ',' && *next != ']' && !is_space(*next)) {
            p = next;
            goto refuse;
        }
        out[count++] = to_float(&d);
        p = done = next;
    }
    *consumed = done - text;
    return count;
refuse:
    *consumed = p - text;
    return -1;
}
