#pragma once
#include <stddef.h>
#define MADV_DONTNEED 4
int madvise(void *, size_t, int);
