/* The elementary functions are not exported; the scalar ones stand for all of them. */
#include "ops/elementary.h"

#include "check.h"

void elementary_cases(void) {
    begin_case("exp_tanh");
    for (uint64_t bits = 0; bits < 0xffff0000u; bits += 16411 * 16) {
        float x[16], power[16], tangent[16];
        for (uint32_t i = 0; i < 16; i++) {
            uint32_t value = (uint32_t)bits + i * 16411;
            memcpy(&x[i], &value, 4);
        }
        vf32_store(power, vf32_exp(vf32_load(x)));
        vf32_store(tangent, vf32_tanh(vf32_load(x)));
        for (uint32_t i = 0; i < 16; i++) {
            if (isnan(x[i])) {
                if (!isnan(power[i]) || !isnan(tangent[i]))
                    fail("NaN is lost", power[i], tangent[i]);
                continue;
            }
            double e = exp(x[i]), t = tanh(x[i]);
            if ((float)e == INFINITY || isinf(power[i])) {
                if ((float)e != power[i])
                    fail("infinity", x[i], power[i]);
            } else {
                expect_close(power[i], e, 2 * EPSILON / 2 * e + 0x1p-149);
            }
            expect_close(tangent[i], t, 2.5 * EPSILON / 2 * fabs(t) + 0x1p-149);
        }
        hash_bytes(power, isnan(x[0]) ? 0 : sizeof power);
    }
    float special[16];
    vf32_store(special, vf32_exp(vf32_set1(-INFINITY)));
    if (special[0] != 0)
        fail("exp(-inf)", special[0], 0);
    end_case();
}
