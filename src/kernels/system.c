/* The only file with conditionals on the operating system. */
#include "system.h"

#include <stddef.h>

#if defined(_WIN32)
#include <windows.h>
#else
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#endif
#if defined(__linux__)
#include <link.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#endif

/*
 * glibc 2.32 and 2.34 moved these from libpthread into libc under new versions of the same code.
 * The first versions are in every glibc, so that the library opens wherever Bun itself runs.
 */
#if defined(__GLIBC__) && defined(__x86_64__)
#define FIRST_VERSION(name) __asm__(".symver " #name ", " #name "@GLIBC_2.2.5")
#elif defined(__GLIBC__) && defined(__aarch64__)
#define FIRST_VERSION(name) __asm__(".symver " #name ", " #name "@GLIBC_2.17")
#endif
#ifdef FIRST_VERSION
FIRST_VERSION(pthread_create);
FIRST_VERSION(pthread_join);
FIRST_VERSION(pthread_sigmask);
#endif

void system_join_thread(pthread_t thread) { pthread_join(thread, NULL); }

#if defined(__linux__)

/* The system takes 0.1 … 100 ms. */
#define SHORT_TURN_NS 100000

int system_short_turns(void) {
    /* As sched_setattr(2) has it, which C libraries did not know for long. */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attributes = {.size = sizeof attributes};
    if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0)
        return -1;
    attributes.runtime = SHORT_TURN_NS;
    return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0 ? 0 : -1;
}

/* More of it would cost too much beside other programs. */
#define WAY_NICE 3

void system_give_way(void) {
    /* Linux takes 0 for the calling thread alone. */
    (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + WAY_NICE);
}

#else

int system_short_turns(void) { return -1; }
void system_give_way(void) {}

#endif

#if defined(_WIN32)

int64_t system_clock_ns(void) {
    LARGE_INTEGER frequency, ticks;
    QueryPerformanceFrequency(&frequency);
    QueryPerformanceCounter(&ticks);
    const int64_t whole = ticks.QuadPart / frequency.QuadPart;
    const int64_t rest = ticks.QuadPart % frequency.QuadPart;
    return whole * 1000000000 + rest * 1000000000 / frequency.QuadPart;
}

void system_yield(void) { SwitchToThread(); }

int system_start_thread(pthread_t *thread, void *(*main)(void *), void *argument) {
    return pthread_create(thread, NULL, main, argument);
}

void system_advise_huge_pages(void *start, int64_t bytes) {
    (void)start;
    (void)bytes;
}

void system_release_pages(void *start, int64_t bytes) {
    (void)start;
    (void)bytes;
}

#else

int64_t system_clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void system_yield(void) { sched_yield(); }

int system_start_thread(pthread_t *thread, void *(*main)(void *), void *argument) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int status = pthread_create(thread, NULL, main, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

/* What lies around the whole pages belongs to others. */
static void advise(void *start, int64_t bytes, int advice) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = ((uintptr_t)start + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)start + (uintptr_t)bytes) / page * page;
    if (end > first)
        (void)madvise((void *)first, end - first, advice);
}

void system_advise_huge_pages(void *start, int64_t bytes) {
#if defined(MADV_HUGEPAGE)
    advise(start, bytes, MADV_HUGEPAGE);
#else
    (void)start;
    (void)bytes;
#endif
}

void system_release_pages(void *start, int64_t bytes) { advise(start, bytes, MADV_DONTNEED); }

#endif

#if defined(__linux__)

/* Of the program alone, which comes first. What may be written could differ from the file. */
static int release_segments(struct dl_phdr_info *program, size_t size, void *unused) {
    (void)size;
    (void)unused;
    for (int i = 0; i < program->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &program->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0)
            system_release_pages((void *)(program->dlpi_addr + segment->p_vaddr),
                                 (int64_t)segment->p_memsz);
    }
    return 1;
}

void system_release_program(void) { (void)dl_iterate_phdr(release_segments, NULL); }

#else

void system_release_program(void) {}

#endif
