/* The thread pool, for ops/ and dispatch.c only. */
#ifndef ALPHA_THREADS_H
#define ALPHA_THREADS_H

#include <stdint.h>

/* Work on units begin … end-1 as thread number `thread` (0 … threads-1). */
typedef void pool_task(const void *context, int64_t begin, int64_t end, int32_t thread);

/* Size of the pool, the caller included, and how many of its threads are in use: all at first. */
int32_t pool_threads_max(void);
int32_t pool_threads(void);
/* Both -1 when it cannot be. */
int32_t pool_resize(int32_t n_threads);
int32_t pool_use(int32_t n_threads);

/*
 * Run a task over units 0 … n_units-1, `grain` of them at a time, and return when all are done.
 * Each thread starts with its own contiguous share, so the same weights meet the same core's cache
 * token after token, and then helps the others. n_units ≤ grain runs on the caller alone.
 */
void pool_run(pool_task *task, const void *context, int64_t n_units, int64_t grain);

#endif
