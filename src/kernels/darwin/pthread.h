#pragma once
#include <signal.h>
typedef struct darwin_pthread *pthread_t;
typedef struct darwin_pthread_attr pthread_attr_t;
typedef struct darwin_pthread_mutexattr pthread_mutexattr_t;
typedef struct darwin_pthread_condattr pthread_condattr_t;
typedef struct {
    long signature;
    char opaque[56];
} pthread_mutex_t;
typedef struct {
    long signature;
    char opaque[40];
} pthread_cond_t;
#define PTHREAD_MUTEX_INITIALIZER                                                                  \
    { .signature = 0x32AAABA7 }
#define PTHREAD_COND_INITIALIZER                                                                   \
    { .signature = 0x3CB0B1BB }
int pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int pthread_join(pthread_t, void **);
int pthread_mutex_lock(pthread_mutex_t *);
int pthread_mutex_unlock(pthread_mutex_t *);
int pthread_cond_wait(pthread_cond_t *, pthread_mutex_t *);
int pthread_cond_broadcast(pthread_cond_t *);
int pthread_sigmask(int, const sigset_t *, sigset_t *);
