/* What kernels ask of an operating system, threads' own words (pthread.h) aside. */
#ifndef ALPHA_SYSTEM_H
#define ALPHA_SYSTEM_H

#include <pthread.h>
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
/* Advice about the whole pages inside a range; where the system does not follow it, everything
 * works as before. */
void system_advise_huge_pages(void *start, int64_t bytes);
void system_release_pages(void *start, int64_t bytes);
/* Unmaps what the running program's file holds of code and constants until it is touched again. */
void system_release_program(void);

#endif
