#pragma once
#include <stddef.h>
/* Named by the compiler's own headers of intrinsics; the kernels allocate nothing. */
void *malloc(size_t);
void free(void *);
int posix_memalign(void **, size_t, size_t);
