#include "check.h"

void nonfinite_cases(void) {
    begin_case("first_nonfinite");
    float *x = random_floats(5000, LARGE);
    for (int64_t count = 0; count < 5000; count += 501)
        if (kernels_first_nonfinite(x, count) != -1)
            fail("finite", (double)count, 0);
    for (int32_t at = 4999; at >= 0; at -= 123) {
        x[at] = at % 2 == 0 ? NAN : -INFINITY;
        int64_t found = kernels_first_nonfinite(x, 5000);
        if (found != at)
            fail("first", at, (double)found);
    }
    release(x);
    end_case();
}
