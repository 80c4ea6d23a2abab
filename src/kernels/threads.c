/*
 * A fixed pool of threads. The caller takes part and never waits for a thread that has not started:
 * one that sleeps, or that the system has not scheduled, simply misses the job, and its share is
 * done by the others. Idle threads spin for some tens of microseconds, then sleep.
 *
 * One word holds the pool's state: the job's number, whether it can be joined, and how many workers
 * are inside. A worker joins by compare-and-swap on that word, so a job that is closed while nobody
 * is inside can be reused at once.
 */
#include "threads.h"
#include "kernels.h"
#include "system.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define JOB_SHIFT 32
#define OPEN (1ull << 31)
#define INSIDE (OPEN - 1)

#define SPIN_NS 50000
#define PAUSES_PER_CLOCK_READ 32
/* Some tens of microseconds: longer than any share of an op that is still being computed. */
#define PAUSES_BEFORE_YIELD 2000

typedef struct {
    _Alignas(64) atomic_llong next;
    long long end;
} pool_share;

static struct {
    _Alignas(64) atomic_ullong state;
    _Alignas(64) pool_task *task;
    const void *context;
    int64_t grain;
    pool_share shares[KERNELS_THREADS_MAX];
    int32_t n_threads;
    /* Threads that work on jobs, numbers 0 … n_used-1; the others sleep. */
    atomic_int n_used;
    pthread_t threads[KERNELS_THREADS_MAX];
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool is_sleeping[KERNELS_THREADS_MAX]; /* under the mutex, as n_sleeping's changes */
    atomic_int n_sleeping;                 /* of the threads in use */
    atomic_bool is_ending;
} pool = {.n_threads = 1,
          .n_used = 1,
          .mutex = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER};

static inline void cpu_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

int32_t pool_threads(void) { return atomic_load_explicit(&pool.n_used, memory_order_relaxed); }

/* Own share first, then the others' leftovers. */
static void work(int32_t thread) {
    const int32_t n_used = pool_threads();
    for (int32_t i = 0; i < n_used; i++) {
        pool_share *share = &pool.shares[(thread + i) % n_used];
        while (atomic_load_explicit(&share->next, memory_order_relaxed) < share->end) {
            long long begin =
                atomic_fetch_add_explicit(&share->next, pool.grain, memory_order_relaxed);
            if (begin >= share->end)
                break;
            long long end = begin + pool.grain < share->end ? begin + pool.grain : share->end;
            pool.task(pool.context, begin, end, thread);
        }
    }
}

static bool join_job(unsigned long long job) {
    unsigned long long state = atomic_load_explicit(&pool.state, memory_order_relaxed);
    while (state >> JOB_SHIFT == job && (state & OPEN) != 0)
        if (atomic_compare_exchange_weak_explicit(&pool.state, &state, state + 1,
                                                  memory_order_acquire, memory_order_relaxed))
            return true;
    return false;
}

/* Under the mutex. */
static void set_sleeping(int32_t thread, bool is_sleeping) {
    pool.is_sleeping[thread] = is_sleeping;
    if (thread < pool_threads())
        atomic_fetch_add(&pool.n_sleeping, is_sleeping ? 1 : -1);
}

/* The number of the first job after `seen` while the thread is in use, or is to end. */
static unsigned long long wait_for_job(unsigned long long seen, int32_t thread) {
    unsigned long long job;
    int64_t deadline = system_clock_ns() + SPIN_NS;
    do {
        for (int32_t i = 0; i < PAUSES_PER_CLOCK_READ; i++) {
            job = atomic_load_explicit(&pool.state, memory_order_relaxed) >> JOB_SHIFT;
            if (job != seen && thread < pool_threads())
                return job;
            cpu_relax();
        }
    } while (system_clock_ns() < deadline);
    pthread_mutex_lock(&pool.mutex);
    /* Both orders are sequentially consistent: either pool_run sees the sleeper or we see its job.
     */
    set_sleeping(thread, true);
    while ((job = atomic_load(&pool.state) >> JOB_SHIFT) == seen || thread >= pool_threads())
        pthread_cond_wait(&pool.wake, &pool.mutex);
    set_sleeping(thread, false);
    pthread_mutex_unlock(&pool.mutex);
    return job;
}

static void *worker_main(void *argument) {
    int32_t thread = (int32_t)(intptr_t)argument;
    /* The caller goes on without a thread that has to wait; who answers a socket does not wait. */
    system_give_way();
    unsigned long long seen = atomic_load(&pool.state) >> JOB_SHIFT;
    /* Started while is_ending is false; a job published before the line above is just missed. */
    while (!atomic_load(&pool.is_ending)) {
        seen = wait_for_job(seen, thread);
        if (!join_job(seen))
            continue;
        work(thread);
        atomic_fetch_sub_explicit(&pool.state, 1, memory_order_release);
    }
    return NULL;
}

/* Start a new job number, joinable when flags = OPEN, and wake whoever sleeps. */
static void publish(unsigned long long flags) {
    unsigned long long job = (atomic_load(&pool.state) >> JOB_SHIFT) + 1;
    atomic_store(&pool.state, job << JOB_SHIFT | flags);
    if (atomic_load(&pool.n_sleeping) > 0) {
        pthread_mutex_lock(&pool.mutex);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.mutex);
    }
}

void pool_run(pool_task *task, const void *context, int64_t n_units, int64_t grain) {
    const int32_t n_used = pool_threads();
    if (n_used == 1 || n_units <= grain) {
        if (n_units > 0)
            task(context, 0, n_units, 0);
        return;
    }
    pool.task = task;
    pool.context = context;
    pool.grain = grain;
    int64_t n_grains = (n_units + grain - 1) / grain;
    for (int32_t i = 0; i < n_used; i++) {
        int64_t end = n_grains * (i + 1) / n_used * grain;
        atomic_store_explicit(&pool.shares[i].next, n_grains * i / n_used * grain,
                              memory_order_relaxed);
        pool.shares[i].end = end < n_units ? end : n_units;
    }
    publish(OPEN);
    work(0);
    atomic_fetch_and_explicit(&pool.state, ~OPEN, memory_order_relaxed);
    /* A thread that is still inside may have lost its processor to another program. */
    for (int32_t i = 0; (atomic_load_explicit(&pool.state, memory_order_acquire) & INSIDE) != 0;
         i++)
        if (i < PAUSES_BEFORE_YIELD)
            cpu_relax();
        else
            system_yield();
}

int32_t pool_threads_max(void) { return pool.n_threads; }

int32_t pool_use(int32_t n_threads) {
    if (n_threads < 1 || n_threads > pool.n_threads)
        return -1;
    if (n_threads == pool_threads())
        return 0;
    pthread_mutex_lock(&pool.mutex);
    int32_t n_sleeping = 0;
    for (int32_t i = 1; i < n_threads; i++)
        n_sleeping += pool.is_sleeping[i];
    atomic_store(&pool.n_used, n_threads);
    atomic_store(&pool.n_sleeping, n_sleeping);
    pthread_mutex_unlock(&pool.mutex);
    return 0;
}

static void end_workers(int32_t n_threads) {
    pool.n_threads = n_threads;
    pool_use(n_threads);
    atomic_store(&pool.is_ending, true);
    publish(0);
    for (int32_t i = 1; i < n_threads; i++)
        system_join_thread(pool.threads[i]);
    atomic_store(&pool.is_ending, false);
}

int32_t pool_resize(int32_t n_threads) {
    if (n_threads < 1 || n_threads > KERNELS_THREADS_MAX)
        return -1;
    if (pool.n_threads > 1)
        end_workers(pool.n_threads);
    pool.n_threads = 1;
    pool_use(1);
    int32_t started = 1;
    while (started < n_threads &&
           system_start_thread(&pool.threads[started], worker_main, (void *)(intptr_t)started) == 0)
        started++;
    if (started < n_threads) {
        end_workers(started);
        pool.n_threads = 1;
        pool_use(1);
        return -1;
    }
    pool.n_threads = n_threads;
    return pool_use(n_threads);
}
