#include "check.h"

void measure_cases(void) {
    begin_case("measure");
    float *zeros = guarded_floats(1 << 16);
    memset(zeros, 0, 1 << 18);
    expect_close(kernels_measure_read(zeros, 1 << 18), 0, 1e-30);
    expect_close(kernels_measure_fma(3), 3.0 * 24 * 16 * 2 * kernels_threads(), 1e-30);
    /* Threads that are left out fall asleep meanwhile, and come back. */
    for (int32_t i = 0; i < 60; i++) {
        const int32_t n_used = 1 + i * 7 % 5 % kernels_threads();
        kernels_threads_use(n_used);
        const int64_t iterations = i % 6 == 0 ? 20000 : 3;
        expect_close(kernels_measure_fma(iterations), (double)iterations * 24 * 16 * 2 * n_used,
                     1e-30);
    }
    kernels_threads_use(kernels_threads());
    /* Tiles of six rows, 64 inputs and 64 columns. */
    expect_close(kernels_measure_tile(5), 5.0 * 6 * 64 * 64 * 2 * kernels_threads(), 1e-30);
    /* Whole tiles of some rows and some vectors of 16 columns, 256 inputs each. */
    for (int32_t has_scales = 0; has_scales <= 1; has_scales++) {
        const double tiles = kernels_measure_dot(5, has_scales) / (5.0 * 16 * 256);
        expect_close(fmod(tiles, kernels_threads()), 0, 1e-30);
        expect_close(tiles > 0, 1, 1e-30);
    }
    release(zeros);
    end_case();
}
