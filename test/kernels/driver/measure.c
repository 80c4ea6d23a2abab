#include "check.h"

void measure_cases(void) {
    begin_case("measure");
    float *zeros = guarded_floats(1 << 16);
    memset(zeros, 0, 1 << 18);
    expect_close(kernels_measure_read(zeros, 1 << 18), 0, 1e-30);
    expect_close(kernels_measure_fma(3), 3.0 * 24 * 16 * 2 * kernels_threads(), 1e-30);
    release(zeros);
    end_case();
}
