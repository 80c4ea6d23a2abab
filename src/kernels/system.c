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
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <ucontext.h>
#endif
#if defined(__GLIBC__)
#include <execinfo.h>
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

/* The host program stops its threads by SIGPWR; nobody takes those from SIGRTMIN on. */
#define STACK_SIGNAL (SIGRTMIN + 3)
#define STACK_MAX 64
#define STACK_LOOKS_MAX 100
#define STACK_LOOK_NS 1000000

/* What the asked thread writes: frames first, their number last. */
static struct {
    uint64_t frames[STACK_MAX];
    atomic_int n_frames;
} stack;

static uint64_t interrupted_at(const ucontext_t *context) {
#if defined(__x86_64__)
    return (uint64_t)context->uc_mcontext.gregs[REG_RIP];
#else
    return context->uc_mcontext.pc;
#endif
}

/* On the asked thread. Other C libraries than glibc tell no callers. */
static void take_stack(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)info;
    stack.frames[0] = interrupted_at(context);
    int n_frames = 1;
#if defined(__GLIBC__)
    /* This handler's own frames come first. */
    void *callers[STACK_MAX];
    const int n_callers = backtrace(callers, STACK_MAX);
    int own = 0;
    while (own < n_callers && (uint64_t)(uintptr_t)callers[own] != stack.frames[0])
        own++;
    for (int i = own + 1; i < n_callers; i++)
        stack.frames[n_frames++] = (uint64_t)(uintptr_t)callers[i];
#endif
    atomic_store_explicit(&stack.n_frames, n_frames, memory_order_release);
}

int32_t system_watch_thread(void) {
#if defined(__GLIBC__)
    /* Opens the library that it needs, which a signal's handler may not. */
    void *here[1];
    (void)backtrace(here, 1);
#endif
    struct sigaction before, action = {.sa_flags = SA_SIGINFO | SA_RESTART};
    action.sa_sigaction = take_stack;
    sigemptyset(&action.sa_mask);
    if (sigaction(STACK_SIGNAL, NULL, &before) != 0)
        return -1;
    const int is_free = (before.sa_flags & SA_SIGINFO) == 0 && before.sa_handler == SIG_DFL;
    const int is_ours = (before.sa_flags & SA_SIGINFO) != 0 && before.sa_sigaction == take_stack;
    if (!is_ours && (!is_free || sigaction(STACK_SIGNAL, &action, NULL) != 0))
        return -1;
    return (int32_t)syscall(SYS_gettid);
}

int32_t system_thread_stack(int32_t thread, uint64_t *addresses, int32_t max) {
    atomic_store(&stack.n_frames, 0);
    if (syscall(SYS_tgkill, getpid(), thread, STACK_SIGNAL) != 0)
        return 0;
    const struct timespec look = {.tv_nsec = STACK_LOOK_NS};
    int n_frames = 0;
    for (int i = 0; i < STACK_LOOKS_MAX && n_frames == 0; i++) {
        nanosleep(&look, NULL);
        n_frames = atomic_load_explicit(&stack.n_frames, memory_order_acquire);
    }
    n_frames = n_frames < max ? n_frames : max;
    for (int i = 0; i < n_frames; i++)
        addresses[i] = stack.frames[i];
    return n_frames;
}

#else

int system_short_turns(void) { return -1; }
void system_give_way(void) {}
int32_t system_watch_thread(void) { return -1; }
int32_t system_thread_stack(int32_t thread, uint64_t *addresses, int32_t max) {
    (void)thread;
    (void)addresses;
    (void)max;
    return 0;
}

#endif

#if defined(__linux__) && defined(__x86_64__)

/* As the kernel's documentation of x86 state has them; C libraries do not. */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define STATE_OF_TILES 18

bool system_allow_matrices(void) {
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, STATE_OF_TILES) == 0;
}

#else

bool system_allow_matrices(void) { return false; }

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
