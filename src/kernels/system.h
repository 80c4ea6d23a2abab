/* What kernels ask of an operating system, threads' own words (pthread.h) aside. */
#ifndef ALPHA_SYSTEM_H
#define ALPHA_SYSTEM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a clock that never goes back. */
int64_t system_clock_ns(void);
/* Lets another thread run that waits for this processor. */
void system_yield(void);
/* Starts a thread that takes no signals: those belong to the threads of the host program. 0 or an
 * error number. */
int system_start_thread(pthread_t *thread, void *(*main)(void *), void *argument);
void system_join_thread(pthread_t thread);
/* Lets the calling thread run in short turns, which begin sooner. 0, or -1 where there is no such
 * thing. */
int system_short_turns(void);
/* Lets others go before the calling thread, a little. */
void system_give_way(void);
/* Number by which system_thread_stack knows the calling thread, whose stack can be taken from now
 * on; -1 where there is no such thing. */
int32_t system_watch_thread(void);
/* Code addresses of a watched thread, innermost first, taken while it runs or waits: their number,
 * 0 when the thread does not answer. One caller at a time. */
int32_t system_thread_stack(int32_t thread, uint64_t *addresses, int32_t max);
/* Lets the program's threads use the processor's matrix registers; false where the system does not.
 * From then on a stack for signals (sigaltstack) needs room for them: some 12 kB. */
bool system_allow_matrices(void);
/* Advice about the whole pages inside a range; where the system does not follow it, everything
 * works as before. */
void system_advise_huge_pages(void *start, int64_t bytes);
void system_release_pages(void *start, int64_t bytes);
/* Unmaps what the running program's file holds of code and constants until it is touched again. */
void system_release_program(void);

#endif
